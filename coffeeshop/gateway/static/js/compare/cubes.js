/** Two periods of two cubes side by side: the figures, and each store. */

import { h } from "../dom.js";
import { grid, gridRow } from "../grid.js";
import { month, percent } from "../format.js";
import { changeColumn, moneyColumn, nameColumn, placed } from "../own/plain.js";
import { answerTable } from "../own/table.js";
import { SUMMARY } from "../names.js";
import { Cube } from "../summary/cube.js";
import { MEASURES } from "../summary/measures.js";
import { comparison, monthsOf } from "../summary/period.js";
import { compared, totalsOf } from "./join.js";

const HEADS = ["Measure", "A", "B", "Difference", "Per cent"];

/** The page; `isSame` says that both sides are one session, of which two periods are compared. */
export function comparedCubes(columns, isSame) {
  const build = (results, signal, { look }) =>
    built(results.map((rows) => new Cube(columns, rows)), isSame, look, signal);
  return { key: "summary", title: "Summary", needs: [SUMMARY.cube], build };
}

function built(cubes, isSame, look, signal) {
  if (cubes.some((cube) => cube.period === null))
    return { nodes: [h("p", { class: "empty" }, "Nothing was sold.")], shown: () => {} };
  const usual = usualPeriods(cubes, isSame);
  const figures = h("div");
  const stores = h("div");
  const sides = ["a", "b"].map((side, i) => periodOf(side, cubes[i], usual[i], look, () => show()));
  let written = new AbortController();
  signal.addEventListener("abort", () => written.abort());
  function show() {
    written.abort();
    written = new AbortController();
    const sums = cubes.map((cube, i) => cube.sums({ period: sides[i].chosen() }));
    figures.replaceChildren(figuresTable(sums));
    stores.replaceChildren(storesTable(cubes, sums, look, written.signal));
  }
  show();
  const nodes = [
    h("div", { class: "pair" }, sides.map((each) => each.node)),
    figures,
    h("h3", {}, "Stores"),
    stores,
  ];
  return { nodes, shown: () => {} };
}

/** All months; of one session the last period, and the one before it as A. */
function usualPeriods(cubes, isSame) {
  const whole = cubes.map((cube) => cube.period);
  const change = isSame ? comparison(whole[0], whole[0]) : null;
  return change === null ? whole : [change.before, change.now];
}

function periodOf(side, cube, usual, look, onChange) {
  const months = monthsOf(cube.period);
  const chosen = () => {
    const of = (end) => {
      const text = look.get(`${side}-${end}`);
      return months.includes(text) ? text : usual[end];
    };
    const [from, to] = [of("from"), of("to")];
    return from <= to ? { from, to } : { from: to, to: from };
  };
  const select = (end, title) => {
    const control = h(
      "select",
      { id: `${side}-${end}` },
      months.map((each) => h("option", { value: each }, month(each))),
    );
    control.value = chosen()[end];
    control.addEventListener("change", () => {
      look.set({ [`${side}-${end}`]: control.value });
      onChange();
    });
    return h("div", { class: "field" }, h("label", { for: control.id }, title), control);
  };
  const node = h(
    "fieldset",
    { class: "side" },
    h("legend", {}, `Period of ${side.toUpperCase()}`),
    select("from", "From"),
    select("to", "To"),
  );
  return { node, chosen };
}

function figuresTable(sums) {
  const lines = Object.values(MEASURES).map((measure) => {
    const [a, b, difference, share] = compared(...sums.map(({ all }) => measure.value(all)));
    const texts = [a, b, difference].map(measure.text);
    return gridRow([h("strong", {}, measure.title), ...texts, share === "" ? "–" : percent(share, true)], 1);
  });
  return grid("Both periods", HEADS, h("tbody", {}, lines), { numbers: 1, kind: "wide" });
}

function storesTable(cubes, sums, look, signal) {
  const names = new Map([...cubes[1].names, ...cubes[0].names]);
  const keys = new Set(sums.flatMap(({ stores }) => [...stores.keys()]));
  const { revenue } = MEASURES;
  const rows = [...keys].map((key) => [
    key,
    ...compared(...sums.map(({ stores }) => revenue.value(stores.get(key)))),
  ]);
  const totals = totalsOf(1, 2);
  const columns = placed([
    nameColumn("store", "Store", (key) => names.get(key) ?? key),
    moneyColumn("revenue_a", "Revenue A"),
    moneyColumn("revenue_b", "Revenue B"),
    { ...moneyColumn("revenue_difference", "Difference"), totalOf: totals.difference },
    { ...changeColumn("revenue_percent", "Per cent"), totalOf: totals.percent },
  ]);
  return answerTable("Stores", columns, rows, look, { signal, first: "-revenue_b" });
}
