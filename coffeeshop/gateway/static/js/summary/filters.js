/** What the summary is of: a store, months, hours. */

import { h } from "../dom.js";
import { month } from "../format.js";
import { translated } from "../language/language.js";
import { lengthOf, later, monthsOf } from "./period.js";

const SPANS = { 1: "Last month", 3: "Last 3 months", 12: "Last 12 months" };

/**
 * The controls over a cube. `chosen()` is `{store, period, hours, isAll}` as `sums` takes it;
 * `look` remembers it, and `onChange()` is called when it changes.
 */
export function filters(cube, look, onChange) {
  const data = cube.period;
  const months = monthsOf(data);
  const open = cube.openHours;
  const stores = [...cube.names].sort(([, a], [, b]) => a.localeCompare(b));
  const store = select("summary-store", "Store", [
    option("", "All stores"),
    ...stores.map(([key, name]) => option(key, name || translated("(unknown store)"), "no")),
  ]);
  const span = select("summary-span", "Period", [
    option("", "All months"),
    ...Object.entries(SPANS)
      .filter(([length]) => Number(length) < lengthOf(data))
      .map(([length, text]) => option(length, text)),
    option("own", "Own period"),
  ]);
  const monthOptions = () => months.map((each) => option(each, month(each)));
  const from = select("summary-from", "From", monthOptions());
  const to = select("summary-to", "To", monthOptions());
  const hourOptions = (end) =>
    open.map((hour) => option(String(hour), `${hour + end}:00`));
  const opens = select("summary-opens", "From hour", hourOptions(0));
  const closes = select("summary-closes", "To hour", hourOptions(1));
  const reset = h("button", { class: "button small", type: "button" }, "Show all");

  function show() {
    const { period, hours, store: key } = chosen();
    store.control.value = key ?? "";
    from.control.value = period.from;
    to.control.value = period.to;
    const length = lengthOf(period);
    const isSpan = period.to === data.to && length in SPANS;
    span.control.value = isAllOf(period) ? "" : isSpan ? String(length) : "own";
    opens.control.value = String(hours?.from ?? open[0]);
    closes.control.value = String(hours?.to ?? open.at(-1));
    reset.hidden = key === null && isAllOf(period) && hours === null;
  }
  const isAllOf = (period) => period.from === data.from && period.to === data.to;

  function chosen() {
    const key = look.get("store");
    const known = (text, fallback) => (months.includes(text) ? text : fallback);
    const period = { from: known(look.get("from"), data.from), to: known(look.get("to"), data.to) };
    const hour = (text, fallback) => (open.map(String).includes(text) ? Number(text) : fallback);
    const hours = { from: hour(look.get("opens"), open[0]), to: hour(look.get("closes"), open.at(-1)) };
    const isAlways = hours.from === open[0] && hours.to === open.at(-1);
    return {
      store: cube.names.has(key) ? key : null,
      period: period.from <= period.to ? period : { from: period.to, to: period.from },
      hours: isAlways ? null : hours,
    };
  }

  function set(values) {
    look.set(values);
    show();
    onChange();
  }
  store.control.addEventListener("change", () => set({ store: store.control.value }));
  span.control.addEventListener("change", () => {
    const { value } = span.control;
    if (value === "own") return from.control.focus();
    set(value === "" ? { from: "", to: "" } : { from: later(data.to, 1 - Number(value)), to: data.to });
  });
  for (const { control } of [from, to])
    control.addEventListener("change", () => {
      // The end that was not touched gives way.
      const [first, last] = [from.control.value, to.control.value];
      const both = first <= last ? { from: first, to: last } : { from: control.value, to: control.value };
      const isAll = isAllOf(both);
      set(isAll ? { from: "", to: "" } : both);
    });
  for (const { control } of [opens, closes])
    control.addEventListener("change", () => {
      const ends = [Number(opens.control.value), Number(closes.control.value)];
      const [first, last] = ends[0] <= ends[1] ? ends : [Number(control.value), Number(control.value)];
      set({
        opens: first === open[0] ? "" : String(first),
        closes: last === open.at(-1) ? "" : String(last),
      });
    });
  reset.addEventListener("click", () => {
    set({ store: "", from: "", to: "", opens: "", closes: "" });
    store.control.focus();
  });
  show();
  const parts = [store, span, from, to, opens, closes].map((each) => each.node);
  const node = h("div", { class: "filters", role: "group", "aria-label": "Filters" }, parts, reset);
  return { node, chosen };
}

const option = (value, text, translate = null) => h("option", { value, translate }, text);

function select(id, title, options) {
  const control = h("select", { id }, options);
  return { control, node: h("div", { class: "field" }, h("label", { for: id }, title), control) };
}
