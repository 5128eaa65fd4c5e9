/** Query 1: purchases of 75 and more, as a histogram and as a table to search. */

import { chart, colour } from "../charts/chart.js";
import { binned } from "../charts/bins.js";
import { h } from "../dom.js";
import { counted, edge, money } from "../format.js";
import { loaded } from "./load.js";
import { purchases } from "./purchases.js";

/** Fetch and show it in `node`. */
export const query1 = (node, id, signal) =>
  loaded(node, id, ["query1"], signal, (rows) => {
    const amounts = Float64Array.from({ length: rows.length }, (_, i) => Number(rows.row(i)[1]));
    const title = "How many purchases there are of each size";
    const histogram = chart(title, () => configuration(binned(amounts)), signal);
    const nodes = [h("p", {}, summaryOf(amounts)), histogram.node, purchases(rows, amounts)];
    return { nodes: rows.length ? nodes : nodes.slice(0, 1), shown: histogram.update };
  });

function summaryOf(amounts) {
  if (amounts.length === 0)
    return "No purchase in 2024 and 2025 between 6:00 and 23:00 was of 75 or more.";
  const most = amounts.reduce((a, b) => Math.max(a, b));
  return (
    `${counted(amounts.length, "purchase")} of 75 or more in 2024 and 2025, between 6:00 and 23:00. ` +
    `The largest was of ${money(most)}.`
  );
}

function configuration({ edges, counts }) {
  const label = (i) => `from ${edge(edges[i])} to under ${edge(edges[i + 1])}`;
  return {
    type: "bar",
    data: {
      labels: counts.map((_, i) => edge(edges[i])),
      datasets: [
        {
          data: counts,
          backgroundColor: colour("--accent"),
          barPercentage: 1,
          categoryPercentage: 0.94,
        },
      ],
    },
    options: {
      plugins: {
        legend: { display: false },
        tooltip: {
          callbacks: {
            title: ([{ dataIndex }]) => label(dataIndex),
            label: ({ parsed }) => counted(parsed.y, "purchase"),
          },
        },
      },
      scales: {
        x: { grid: { display: false }, title: { display: true, text: "Final amount" } },
        y: {
          beginAtZero: true,
          ticks: { precision: 0 },
          title: { display: true, text: "Purchases" },
        },
      },
    },
  };
}
