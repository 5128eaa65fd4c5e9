/** Query 4: the customers of each store who bought most often; the first three are drawn. */

import { chart, hue, longNames } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { counted, whole } from "../format.js";
import { table } from "../grid.js";
import { USUAL, yearsOf } from "./asked.js";
import { leaders } from "./stores.js";

const RANKS = ["First", "Second", "Third"];

function build([result], signal, { parameters = USUAL } = {}) {
  const { top } = parameters;
  const rows = allRows(result);
  if (rows.length === 0)
    return {
      nodes: [h("p", { class: "empty" }, "No known customer bought anything.")],
      shown: () => {},
    };
  const stores = leaders(rows, top);
  const drawn = chart(
    "Purchases of the most frequent customers of each store",
    () => configuration(stores, top),
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
      `${many(top)} of each store with the most purchases in ${yearsOf(parameters)}, by date of birth.`,
    ),
    drawn.node,
    table("Most frequent customers", ["Store", "Date of birth", "Purchases"], named, 2),
  ];
  return { nodes, shown: drawn.update };
}

export const query4 = { key: "q4", title: "Customers", needs: ["query4"], build };

const many = (top) =>
  top === 1 ? "The customer" : `The ${top === 3 ? "three" : whole(top)} customers`;

function configuration(stores, top) {
  const customer = (place, rank) => stores[place].rows[rank];
  return {
    type: "bar",
    data: {
      labels: stores.map(({ name }) => name),
      datasets: RANKS.slice(0, top).map((label, rank) => ({
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
