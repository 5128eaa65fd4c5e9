/** Query 3: what each store took in each half-year. */

import { chart, hue, longNames } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { compact, half, money } from "../format.js";
import { table } from "../grid.js";
import { hoursOf, USUAL, yearsOf } from "./asked.js";
import { byStore, TWINS } from "./stores.js";

const TITLE = "Revenue of each store by half-year";

function build([result], signal, { parameters = USUAL } = {}) {
  const rows = allRows(result);
  if (rows.length === 0)
    return { nodes: [h("p", { class: "empty" }, "No store has payments in this period.")], shown: () => {} };
  const revenue = byStore(rows);
  const how = { rows: revenue.stores.length };
  const drawn = chart(TITLE, () => configuration(revenue), signal, how);
  const about = `Payments in ${yearsOf(parameters)} ${hoursOf(parameters)}, by store.`;
  const nodes = [
    h("p", {}, revenue.hasTwins ? `${about} ${TWINS}` : about),
    drawn.node,
    table(TITLE, ["Store", ...revenue.halves.map(half)], lines(revenue), 1),
  ];
  return { nodes, shown: drawn.update };
}

export const query3 = { key: "q3", title: "Revenue", needs: ["query3"], build };

const lines = ({ halves, stores, of }) =>
  stores.map((store, place) => [
    store,
    ...halves.map((when) => (of(place, when) === null ? "–" : money(of(place, when)))),
  ]);

function configuration({ halves, stores, of }) {
  return {
    type: "bar",
    data: {
      labels: stores,
      datasets: halves.map((when, i) => ({
        label: when.replace("-", " "),
        data: stores.map((_, place) => of(place, when)),
        backgroundColor: hue(i),
      })),
    },
    options: {
      indexAxis: "y",
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14 } },
        tooltip: {
          callbacks: {
            title: ([{ dataIndex }]) => stores[dataIndex],
            label: ({ dataset, parsed }) => `${dataset.label}: ${money(parsed.x)}`,
          },
        },
      },
      scales: {
        x: { beginAtZero: true, ticks: { callback: compact, maxTicksLimit: 6 } },
        y: { grid: { display: false }, ticks: longNames },
      },
    },
  };
}
