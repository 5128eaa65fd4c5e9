/** Query 1: purchases of 75 and more, as a histogram and as a table to search. */

import { chart, colour } from "../charts/chart.js";
import { binned } from "../charts/bins.js";
import { h } from "../dom.js";
import { counted, edge, money, whole } from "../format.js";
import { folded, table } from "../grid.js";
import { purchases } from "./purchases.js";

const LEAST = 75; // the query's own bound
const TITLE = "How many purchases there are of each size";

/** `figures` say what all rows come to, where `rows` are only some of them. */
function build([rows], signal, figures = null) {
  const amounts = Float64Array.from({ length: rows.length }, (_, i) => Number(rows.row(i)[1]));
  const all = figures ?? figuresOf(amounts);
  const summary = h("p", {}, summaryOf(all));
  if (all.total === 0) return { nodes: [summary], shown: () => {} };
  const histogram = chart(TITLE, () => configuration(all.bins), signal);
  const nodes = [
    summary,
    histogram.node,
    folded(table(TITLE, ["Final amount", "Purchases"], lines(all.bins), 1), "purchases by size"),
    purchases(rows, amounts),
  ];
  return { nodes, shown: histogram.update };
}

export const query1 = { key: "q1", title: "Large purchases", needs: ["query1"], build };

const figuresOf = (amounts) => ({
  total: amounts.length,
  most: amounts.reduce((a, b) => Math.max(a, b), 0),
  bins: amounts.length ? binned(amounts, LEAST) : null,
});

function summaryOf({ total, most }) {
  if (total === 0) return "No purchase in 2024 and 2025 between 6:00 and 23:00 was of 75 or more.";
  return (
    `${counted(total, "purchase")} of 75 or more in 2024 and 2025, between 6:00 and 23:00. ` +
    `The largest was of ${money(most)}.`
  );
}

const labelOf = ({ edges }, i) => `from ${edge(edges[i])} to under ${edge(edges[i + 1])}`;

const lines = (bins) => bins.counts.map((count, i) => [labelOf(bins, i), whole(count)]);

function configuration(bins) {
  return {
    type: "bar",
    data: {
      labels: bins.counts.map((_, i) => edge(bins.edges[i])),
      datasets: [
        {
          data: bins.counts,
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
            title: ([{ dataIndex }]) => labelOf(bins, dataIndex),
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
