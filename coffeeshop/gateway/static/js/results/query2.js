/** Query 2: each month's best seller, by quantity and by revenue. */

import { chart, hue } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { money, month, whole } from "../format.js";
import { folded, table } from "../grid.js";

const MEASURES = [
  { title: "By quantity", axis: "Sold", text: whole },
  { title: "By revenue", axis: "Revenue", text: money },
];

function build(results, signal) {
  const measures = results.map(allRows);
  // An item has one colour in both charts.
  const items = [...new Set(measures.flat().map((row) => row[1]))];
  const parts = measures.map((rows, i) => measure(MEASURES[i], rows, items, signal));
  return {
    nodes: parts.map((part) => part.node),
    shown: () => parts.forEach((part) => part.shown()),
  };
}

export const query2 = {
  key: "q2",
  title: "Best sellers",
  needs: ["query2_best_selling", "query2_most_profitable"],
  build,
};

function measure({ title, axis, text }, rows, items, signal) {
  if (rows.length === 0) {
    return {
      node: h("div", {}, h("h3", {}, title), h("p", { class: "empty" }, "Nothing was sold.")),
      shown: () => {},
    };
  }
  const drawn = chart(
    `The best seller of each month, ${title.toLowerCase()}`,
    () => configuration(rows, items, axis, text),
    signal,
  );
  const named = rows.map(([when, item, value]) => [
    month(when),
    item || "(unknown item)",
    text(Number(value)),
  ]);
  const node = h(
    "div",
    { class: "stack" },
    h("h3", {}, title),
    drawn.node,
    folded(
      table(`Best sellers ${title.toLowerCase()}`, ["Month", "Item", axis], named, 2),
      `best sellers ${title.toLowerCase()}`,
    ),
  );
  return { node, shown: drawn.update };
}

function configuration(rows, items, axis, text) {
  const shown = items.filter((item) => rows.some((row) => row[1] === item));
  return {
    type: "bar",
    data: {
      labels: rows.map((row) => month(row[0])),
      datasets: shown.map((item) => ({
        label: item || "(unknown item)",
        data: rows.map((row) => (row[1] === item ? Number(row[2]) : null)),
        backgroundColor: hue(items.indexOf(item)),
        skipNull: true,
      })),
    },
    options: {
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14 } },
        tooltip: {
          callbacks: { label: ({ dataset, parsed }) => `${dataset.label}: ${text(parsed.y)}` },
        },
      },
      scales: {
        x: { stacked: true, grid: { display: false } },
        y: { stacked: true, beginAtZero: true, title: { display: true, text: axis } },
      },
    },
  };
}
