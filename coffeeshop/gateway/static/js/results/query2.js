/** Query 2: each month's best seller, by quantity and by revenue. */

import { chart, colour, hue, HUES } from "../charts/chart.js";
import { namesInBars } from "../charts/names.js";
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
  const items = winners(measures.flat());
  const parts = measures.map((rows, i) => measure(MEASURES[i], rows, items, signal));
  return {
    nodes: parts.map((part) => part.node),
    shown: () => Promise.all(parts.map((part) => part.shown())),
  };
}

export const query2 = {
  key: "q2",
  name: "query2",
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
    nameOf(item),
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

/** The items that won most months, of both measures: each has one colour in both charts. */
function winners(rows) {
  const months = new Map();
  for (const [, item] of rows) months.set(item, (months.get(item) ?? 0) + 1);
  const ranked = [...months].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return ranked.slice(0, HUES).map(([item]) => item);
}

const nameOf = (item) => item || "(unknown item)";

function configuration(rows, items, axis, text) {
  const shown = items.filter((item) => rows.some((row) => row[1] === item));
  const set = (label, fill, has) => ({
    label,
    data: rows.map((row) => (has(row[1]) ? Number(row[2]) : null)),
    backgroundColor: fill,
    skipNull: true,
  });
  const datasets = shown.map((item) =>
    set(nameOf(item), hue(items.indexOf(item)), (each) => each === item),
  );
  if (rows.some((row) => !items.includes(row[1])))
    datasets.push(set("Other items", colour("--chart-other"), (each) => !items.includes(each)));
  return {
    type: "bar",
    data: { labels: rows.map((row) => month(row[0])), datasets },
    plugins: [namesInBars((index) => nameOf(rows[index][1]))],
    options: {
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14 } },
        tooltip: {
          callbacks: {
            label: ({ dataIndex, parsed }) => `${nameOf(rows[dataIndex][1])}: ${text(parsed.y)}`,
          },
        },
      },
      scales: {
        x: { stacked: true, grid: { display: false } },
        y: { stacked: true, beginAtZero: true, title: { display: true, text: axis } },
      },
    },
  };
}
