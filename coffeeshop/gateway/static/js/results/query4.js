/** Query 4: the three customers of each store who bought most often. */

import { chart, hue, longNames } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { counted, whole } from "../format.js";
import { table } from "../grid.js";
import { leaders } from "./stores.js";

const RANKS = ["First", "Second", "Third"];

function build([result], signal) {
  const rows = allRows(result);
  if (rows.length === 0)
    return {
      nodes: [h("p", { class: "empty" }, "No known customer bought anything.")],
      shown: () => {},
    };
  const stores = leaders(rows);
  const drawn = chart(
    "Purchases of the most frequent customers of each store",
    () => configuration(stores),
    signal,
    { rows: stores.length },
  );
  const named = stores.flatMap(({ name, rows: found }) =>
    found.map(([, birthdate, count]) => [name, birthdate || "(unknown)", whole(Number(count))]),
  );
  const nodes = [
    h(
      "p",
      {},
      "The three customers of each store with the most purchases in 2024 and 2025, by date of birth.",
    ),
    drawn.node,
    table("Most frequent customers", ["Store", "Date of birth", "Purchases"], named, 2),
  ];
  return { nodes, shown: drawn.update };
}

export const query4 = { key: "q4", title: "Customers", needs: ["query4"], build };

function configuration(stores) {
  const customer = (place, rank) => stores[place].rows[rank];
  return {
    type: "bar",
    data: {
      labels: stores.map(({ name }) => name),
      datasets: RANKS.map((label, rank) => ({
        label,
        data: stores.map((_, place) =>
          customer(place, rank) ? Number(customer(place, rank)[2]) : null,
        ),
        backgroundColor: hue(rank),
      })),
    },
    options: {
      indexAxis: "y",
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14 } },
        tooltip: {
          callbacks: {
            title: ([{ dataIndex }]) => stores[dataIndex].name,
            label: ({ datasetIndex, dataIndex, parsed }) =>
              `born ${customer(dataIndex, datasetIndex)[1] || "on an unknown date"}: ${counted(parsed.x, "purchase")}`,
          },
        },
      },
      scales: {
        x: { beginAtZero: true, ticks: { precision: 0 } },
        y: { grid: { display: false }, ticks: longNames },
      },
    },
  };
}
