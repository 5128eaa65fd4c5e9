/** The first tab: what the sales come to at a glance, and where and when they were. */

import { h } from "../dom.js";
import { counted, percent } from "../format.js";
import { percentOf, total, unitsOf } from "../exact.js";
import { translated } from "../language/language.js";
import { SUMMARY } from "../names.js";
import { itemsTable, storesTable } from "./breakdown.js";
import { largestChart, largestItems, largestStores, monthsChart, timesMap } from "./charts.js";
import { Cube, isCube, SCALE } from "./cube.js";
import { filters } from "./filters.js";
import { areItems, itemsOf } from "./items.js";
import { MEASURES } from "./measures.js";
import { comparison, later, lengthOf, periodName } from "./period.js";
import { changeOf, tiles } from "./tiles.js";

const CUBE = SUMMARY.cube;
const ITEMS = SUMMARY.items;
const YEAR = 12; // months
const TITLES = ["Revenue", "Transactions", "Average ticket", "Best store", "Best item", "Period"];

/** Whether the answers with these columns make a summary. */
export const hasCube = (columns) => isCube(columns[CUBE] ?? []);

/** The summary of a session that answers the questions it needs; `columns` describes the answers. */
export function salesSummary(columns, look) {
  const needs = areItems(columns[ITEMS] ?? []) ? [CUBE, ITEMS] : [CUBE];
  return {
    key: "summary",
    title: "Summary",
    needs,
    build: ([sales, items], signal) =>
      built(
        new Cube(columns[CUBE], sales),
        items === undefined ? null : itemsOf(columns[ITEMS], items),
        look,
        signal,
      ),
  };
}

function built(cube, items, look, signal) {
  if (cube.period === null)
    return { nodes: [h("p", { class: "empty" }, "Nothing was sold.")], shown: () => {} };
  const controls = filters(cube, look, () => update());
  const nameOf = namesOf(cube);
  const figures = tiles(TITLES);
  let state = stateOf(cube, controls.chosen(), look);
  let found = [];
  const months = monthsChart(() => state, signal);
  const stores = largestChart("Top stores", () => largestStores(state, nameOf), signal);
  const best = largestChart("Top items", () => largestItems(found), signal);
  const times = h("div");
  const tables = { stores: h("div"), items: h("div") };
  const measure = chooser(state.measure, (key) => {
    look.set({ show: key === "revenue" ? "" : key });
    update();
  });
  const byStore = block("Stores", null, tables.stores);
  const largest = block("Top stores", null, stores.node);
  const hint = h("p", { class: "hint" }, "Of the months above; of all stores and hours.");
  const byItem = items === null ? [null, null] : [block("Top items", null, best.node), block("Items", hint, tables.items)];
  let written = new AbortController();
  signal.addEventListener("abort", () => written.abort());
  function write() {
    written.abort();
    written = new AbortController();
    found = items?.of(state.period) ?? [];
    figures.show(glance(state, found, nameOf));
    times.replaceChildren(timesMap(state));
    tables.stores.replaceChildren(storesTable(state, nameOf, part(look, "store"), written.signal));
    if (items !== null) tables.items.replaceChildren(itemsTable(found, part(look, "item"), written.signal));
    largest.hidden = byStore.hidden = state.store !== null;
  }
  const draw = () =>
    Promise.all([
      months.update(),
      state.store === null ? stores.update() : null,
      items === null ? null : best.update(),
    ]);
  function update() {
    state = stateOf(cube, controls.chosen(), look);
    write();
    draw();
  }
  write();
  const nodes = [
    controls.node,
    figures.node,
    h("div", { class: "row" }, h("h3", {}, "By month"), measure),
    months.node,
    block("By weekday and hour", null, times),
    h("div", { class: "pair" }, [largest, byItem[0]]),
    byStore,
    byItem[1],
  ].filter(Boolean);
  return { nodes, shown: draw };
}

const block = (title, ...children) => h("div", { class: "stack block" }, h("h3", {}, title), children);

/** Everything that is shown of a choice. */
function stateOf(cube, chosen, look) {
  const { store, period, hours } = chosen;
  const data = cube.period;
  const change = comparison(period, data);
  const within = (wanted) => cube.sums({ store, hours, period: wanted });
  const isAll = period.from === data.from && period.to === data.to;
  const yearBefore = { from: later(period.from, -YEAR), to: later(period.to, -YEAR) };
  return {
    ...chosen,
    measure: MEASURES[look.get("show")] ?? MEASURES.revenue,
    sums: cube.sums({ store, hours, period: isAll ? null : period }),
    change,
    now: change === null ? null : within(change.now),
    before: change === null ? null : within(change.before),
    earlier: yearBefore.to >= data.from && !isAll ? within(yearBefore) : null,
  };
}

function glance({ sums, period, store, change, now, before }, items, nameOf) {
  const { revenue, sales, ticket } = MEASURES;
  const isOwn = change?.now.from === period.from && change.now.to === period.to;
  const of = (share) =>
    isOwn
      ? `${share} against ${periodName(change.before)}`
      : `${share} · ${periodName(change.now)} against ${periodName(change.before)}`;
  const figure = (measure) => {
    const [later, sooner] = change === null ? [null, null] : [measure.units(now.all), measure.units(before.all)];
    return {
      text: measure.text(measure.value(sums.all)),
      change: later === null || sooner === null ? null : changeOf(later, sooner, of),
    };
  };
  return {
    Revenue: figure(revenue),
    Transactions: figure(sales),
    "Average ticket": figure(ticket),
    "Best store": store === null ? bestStore(sums, nameOf) : { text: nameOf(store), isData: true, note: "the one that is chosen" },
    "Best item": bestItem(items),
    Period: { text: periodName(period), note: counted(lengthOf(period), "month") },
  };
}

function bestStore(sums, nameOf) {
  const best = [...sums.stores].reduce(
    (most, each) => (most === null || each[1].revenue > most[1].revenue ? each : most),
    null,
  );
  if (best === null) return { text: "–" };
  const [key, sum] = best;
  const share = percentOf(sum.revenue, sums.all.revenue);
  return { text: nameOf(key), isData: true, note: noteOf(MEASURES.revenue.value(sum), share) };
}

function bestItem(items) {
  if (items.length === 0) return { text: "–" };
  const [{ name, revenue }] = items;
  const all = total(items.map((each) => each.revenue));
  const share = percentOf(unitsOf(revenue, SCALE), unitsOf(all, SCALE));
  return { text: name || translated("(unknown item)"), isData: true, note: noteOf(revenue, share) };
}

const noteOf = (revenue, share) =>
  `${MEASURES.revenue.text(revenue)}${share ? ` · ${percent(share)} of all` : ""}`;

/** Names of stores, by their keys; those that share one are numbered. */
function namesOf(cube) {
  const many = Map.groupBy(cube.names, ([, name]) => name);
  const names = new Map();
  for (const [name, found] of many) {
    const shown = name || translated("(unknown store)");
    found.sort(([a], [b]) => Number(a) - Number(b));
    found.forEach(([key], i) => names.set(key, found.length > 1 ? `${shown} (${i + 1})` : shown));
  }
  return (key) => names.get(key) ?? key;
}

/** A part of a look, whose names begin with that of the part. */
const part = (look, name) => ({
  get: (key) => look.get(`${name}-${key}`),
  set: (values) =>
    look.set(Object.fromEntries(Object.entries(values).map(([key, text]) => [`${name}-${key}`, text]))),
});

function chooser(chosen, onChoice) {
  const select = h(
    "select",
    { id: "summary-show", onchange: () => onChoice(select.value) },
    Object.entries(MEASURES).map(([key, each]) =>
      h("option", { value: key, selected: each === chosen }, each.title),
    ),
  );
  return h("div", { class: "field inline" }, h("label", { for: "summary-show" }, "Show"), select);
}
