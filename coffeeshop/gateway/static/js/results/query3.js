/** Query 3: what each store took in each half-year, the largest first. */

import { forgottenLook } from "../address.js";
import { chart, hue, longNames } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { percentOf, total, unitsOf } from "../exact.js";
import { amount, compact, half } from "../format.js";
import { changeColumn, moneyColumn, nameColumn, placed } from "../own/plain.js";
import { answerTable } from "../own/table.js";
import { hoursOf, USUAL, yearsOf } from "./asked.js";
import { byStore, TWINS } from "./stores.js";

const TITLE = "Revenue of each store by half-year";
const DRAWN = 15; // stores
const SCALE = 2; // decimals

function build([result], signal, { parameters = USUAL, look = forgottenLook() } = {}) {
  const rows = allRows(result);
  if (rows.length === 0)
    return { nodes: [h("p", { class: "empty" }, "No store has payments in this period.")], shown: () => {} };
  const revenue = byStore(rows);
  const lines = linesOf(revenue);
  const largest = [...lines].sort((a, b) => Number(b.all) - Number(a.all)).slice(0, DRAWN);
  const drawn = chart(TITLE, () => configuration(revenue.halves, largest), signal, { rows: largest.length });
  const about = `Payments in ${yearsOf(parameters)} ${hoursOf(parameters)}, by store.`;
  const left = `The ${DRAWN} largest of ${lines.length}.`;
  const nodes = [
    h("p", {}, revenue.hasTwins ? `${about} ${TWINS}` : about),
    drawn.node,
    lines.length > DRAWN ? h("p", { class: "hint" }, left) : null,
    answerTable(
      TITLE,
      columnsOf(revenue.halves),
      lines.map(({ name, values, all, change }) => [name, ...values, all, change]),
      look,
      { signal, first: "-total" },
    ),
  ];
  return { nodes: nodes.filter((node) => node !== null), shown: drawn.update };
}

export const query3 = { key: "q3", name: "query3", title: "Revenue", needs: ["query3"], build };

const columnsOf = (halves) =>
  placed([
    nameColumn("store", "Store"),
    ...halves.map((when) => moneyColumn(when.toLowerCase(), half(when))),
    moneyColumn("total", "Total"),
    changeColumn("change", halves.length > 1 ? `${short(halves.at(-1))} against ${short(halves.at(-2))}` : "Change"),
  ]).slice(0, halves.length > 1 ? undefined : -2);

/** Each store: `values` by half-year, empty where it took nothing, and what they come to. */
const linesOf = ({ halves, stores, of }) =>
  stores.map((name, place) => {
    const values = halves.map((when) => of(place, when) ?? "");
    const [before, now] = halves.length > 1 ? values.slice(-2) : ["", ""];
    return { name, values, all: total(values), change: changed(before, now) };
  });

function changed(before, now) {
  if (before === "" || now === "") return "";
  const [from, to] = [unitsOf(before, SCALE), unitsOf(now, SCALE)];
  return percentOf(to - from, from);
}

const short = (when) => when.replace("-", " ");

function configuration(halves, stores) {
  return {
    type: "bar",
    data: {
      labels: stores.map(({ name }) => name),
      datasets: halves.map((when, i) => ({
        label: short(when),
        data: stores.map(({ values }) => (values[i] === "" ? null : Number(values[i]))),
        backgroundColor: hue(i),
      })),
    },
    options: {
      indexAxis: "y",
      plugins: {
        legend: { position: "bottom", labels: { boxWidth: 14 } },
        tooltip: {
          callbacks: {
            title: ([{ dataIndex }]) => stores[dataIndex].name,
            label: ({ dataset, datasetIndex, dataIndex }) =>
              `${dataset.label}: ${amount(stores[dataIndex].values[datasetIndex])}`,
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
