/** Query 4: the three customers of each store who bought most often. */

import { chart, hue, longNames } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { counted, whole } from "../format.js";
import { table } from "../grid.js";

const RANKS = ["First", "Second", "Third"];

function build([result], signal) {
  const rows = allRows(result);
  if (rows.length === 0)
    return {
      nodes: [h("p", { class: "empty" }, "No known customer bought anything.")],
      shown: () => {},
    };
  const drawn = chart(
    "Purchases of the most frequent customers of each store",
    () => configuration(rows),
    signal,
    { rows: new Set(rows.map((row) => row[0])).size },
  );
  const named = rows.map(([store, birthdate, count]) => [
    store || "(unknown store)",
    birthdate || "(unknown)",
    whole(Number(count)),
  ]);
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

function configuration(rows) {
  const stores = grouped(rows);
  const names = [...stores.keys()];
  const customer = (store, rank) => stores.get(store)[rank];
  return {
    type: "bar",
    data: {
      labels: names.map((name) => name || "(unknown store)"),
      datasets: RANKS.map((label, rank) => ({
        label,
        data: names.map((name) => (customer(name, rank) ? Number(customer(name, rank)[2]) : null)),
        backgroundColor: hue(rank),
      })),
    },
    options: {
      indexAxis: "y",
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14 } },
        tooltip: {
          callbacks: {
            label: ({ datasetIndex, dataIndex, parsed }) =>
              `born ${customer(names[dataIndex], datasetIndex)[1] || "on an unknown date"}: ${counted(parsed.x, "purchase")}`,
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

function grouped(rows) {
  const found = new Map();
  for (const row of rows) found.set(row[0], [...(found.get(row[0]) ?? []), row]);
  return found;
}
