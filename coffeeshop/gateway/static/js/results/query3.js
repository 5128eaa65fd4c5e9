/** Query 3: what each store took in each half-year. */

import { chart, hue, longNames } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { compact, half, money } from "../format.js";
import { table } from "../grid.js";

const TITLE = "Revenue of each store by half-year";

function build([result], signal) {
  const rows = allRows(result);
  if (rows.length === 0)
    return { nodes: [h("p", { class: "empty" }, "No store has payments in this period.")], shown: () => {} };
  const revenue = pivot(rows);
  const how = { rows: revenue.stores.length };
  const drawn = chart(TITLE, () => configuration(revenue), signal, how);
  const nodes = [
    h("p", {}, "Payments in 2024 and 2025 between 6:00 and 23:00, by store."),
    drawn.node,
    table(TITLE, ["Store", ...revenue.halves.map(half)], lines(revenue), 1),
  ];
  return { nodes, shown: drawn.update };
}

export const query3 = { key: "q3", title: "Revenue", needs: ["query3"], build };

/** `of(store, half)` is null where a store took nothing. Stores of one name are taken together. */
function pivot(rows) {
  const halves = [...new Set(rows.map((row) => row[0]))].sort();
  const stores = [...new Set(rows.map((row) => row[1]))].sort();
  const values = new Map();
  for (const [when, store, value] of rows) {
    const key = `${when} ${store}`;
    values.set(key, (values.get(key) ?? 0) + Number(value));
  }
  return { halves, stores, of: (store, when) => values.get(`${when} ${store}`) ?? null };
}

const nameOf = (store) => store || "(unknown store)";

const lines = ({ halves, stores, of }) =>
  stores.map((store) => [
    nameOf(store),
    ...halves.map((when) => (of(store, when) === null ? "–" : money(of(store, when)))),
  ]);

function configuration({ halves, stores, of }) {
  return {
    type: "bar",
    data: {
      labels: stores.map(nameOf),
      datasets: halves.map((when, i) => ({
        label: when.replace("-", " "),
        data: stores.map((store) => of(store, when)),
        backgroundColor: hue(i),
      })),
    },
    options: {
      indexAxis: "y",
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14 } },
        tooltip: {
          callbacks: { label: ({ dataset, parsed }) => `${dataset.label}: ${money(parsed.x)}` },
        },
      },
      scales: {
        x: { beginAtZero: true, ticks: { callback: compact, maxTicksLimit: 6 } },
        y: { grid: { display: false }, ticks: longNames },
      },
    },
  };
}
