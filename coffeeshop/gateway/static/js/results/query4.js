/** Query 4: the customers of each store who bought most often; the first three are drawn. */

import { forgottenLook } from "../address.js";
import { chart, hue, longNames } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { counted, whole } from "../format.js";
import { translated } from "../language/language.js";
import { countColumn, nameColumn, placed } from "../own/plain.js";
import { answerTable } from "../own/table.js";
import { USUAL, yearsOf } from "./asked.js";
import { leaders } from "./stores.js";

const RANKS = ["First", "Second", "Third"];
const DRAWN = 15; // stores
const COLUMNS = placed([
  nameColumn("store", "Store"),
  nameColumn("birthdate", "Date of birth", (day) => day || translated("(unknown)")),
  { ...countColumn("purchases", "Purchases"), adds: false },
]);

function build([result], signal, { parameters = USUAL, look = forgottenLook() } = {}) {
  const { top } = parameters;
  const rows = allRows(result);
  if (rows.length === 0)
    return {
      nodes: [h("p", { class: "empty" }, "No known customer bought anything.")],
      shown: () => {},
    };
  const stores = leaders(rows, top);
  const most = [...stores].sort((a, b) => b.rows[0][2] - a.rows[0][2]).slice(0, DRAWN);
  const drawn = chart(
    "Purchases of the most frequent customers of each store",
    () => configuration(most, top),
    signal,
    { rows: most.length },
  );
  const named = stores.flatMap(({ name, rows: found }) =>
    found.map(([, birthdate, count]) => [name, birthdate, count]),
  );
  const nodes = [
    h(
      "p",
      {},
      `${many(top)} of each store with the most purchases in ${yearsOf(parameters)}, by date of birth.`,
    ),
    drawn.node,
    stores.length > DRAWN
      ? h("p", { class: "hint" }, `The ${DRAWN} largest of ${stores.length}.`)
      : null,
    answerTable("Most frequent customers", COLUMNS, named, look, { signal }),
  ];
  return { nodes: nodes.filter((node) => node !== null), shown: drawn.update };
}

export const query4 = { key: "q4", name: "query4", title: "Customers", needs: ["query4"], build };

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
