/** A table of an answer: sorted by any column, searched, a page at a time, with totals. */

import { announce } from "../announce.js";
import { h, setText } from "../dom.js";
import { total } from "../exact.js";
import { counted, whole } from "../format.js";
import { gridRow } from "../grid.js";

const SIZE = 25; // rows of a page
const PRINTED = 500; // on paper
const TYPING = 150; // milliseconds

/**
 * The table of `rows`, lists of texts, with `columns` of `columnOf`. `look` remembers how it is
 * looked at: `get(name)`, `set({name: text})`, where names are `sort` and `q`. A page has `size` rows,
 * paper more of them until the signal; the order is `first` until another is asked for.
 */
export function answerTable(caption, columns, rows, look, { size: usual = SIZE, first = "", signal } = {}) {
  const order = () => look.get("sort") ?? first;
  const body = h("tbody");
  const foot = h("tfoot");
  const count = h("p", { class: "hint", role: "status" });
  const buttons = ["First", "Previous", "Next", "Last"].map((text) =>
    h("button", { class: "button small", type: "button" }, text),
  );
  const steps = [() => 0, () => page - 1, () => page + 1, () => Infinity];
  const pages = h("div", { class: "actions", role: "group", "aria-label": "Pages" }, buttons);
  const heads = columns.map((column) => head(column, () => sortBy(column)));
  const field = search(caption, look.get("q") ?? "", (text) => {
    look.set({ q: text });
    find();
  });
  let page = 0;
  let size = usual;
  let found = rows;

  function find() {
    const wanted = (look.get("q") ?? "").trim().toLowerCase();
    const { column, isDown } = sorting(columns, order());
    found = wanted === "" ? [...rows] : rows.filter((row) => has(row, columns, wanted));
    if (column !== null) found.sort((a, b) => compared(column, a, b) * (isDown ? -1 : 1));
    for (const each of heads) each.update(column, isDown);
    go(0);
  }

  function go(to) {
    const last = Math.max(0, Math.ceil(found.length / size) - 1);
    page = Math.min(Math.max(to, 0), last);
    const [from, end] = [page * size, Math.min(found.length, (page + 1) * size)];
    body.replaceChildren(...found.slice(from, end).map((row) => line(row, columns)));
    foot.replaceChildren(...totals(columns, found));
    const text = found.length ? counted(found.length, "row") : "Nothing found";
    setText(count, last > 0 ? `${whole(from + 1)} to ${whole(end)} of ${text}` : text);
    pages.hidden = rows.length <= size;
    buttons.forEach((button, i) =>
      button.setAttribute("aria-disabled", String(i < 2 ? page === 0 : page === last)),
    );
  }

  function sortBy(column) {
    const { column: now, isDown } = sorting(columns, order());
    // Figures are wanted from the largest on; a second click turns the order.
    const down = now === column ? !isDown : column.isNumber;
    look.set({ sort: `${down ? "-" : ""}${column.name}` });
    find();
    announce(`Sorted by ${column.title}, ${down ? "descending" : "ascending"}.`);
  }

  const print = (now) => () => {
    size = now;
    go(0);
  };
  addEventListener("beforeprint", print(PRINTED), { signal });
  addEventListener("afterprint", print(usual), { signal });
  buttons.forEach((button, i) => button.addEventListener("click", () => go(steps[i]())));
  find();
  const table = h(
    "table",
    { class: columns.length > 4 ? "widest" : null },
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, heads.map((each) => each.node))),
    body,
    foot,
  );
  return h(
    "div",
    { class: "stack" },
    field,
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, table),
    h("div", { class: "row" }, count, pages),
  );
}

function head(column, onSort) {
  const button = h("button", { type: "button", class: "sort", onclick: onSort }, column.title);
  const node = h("th", { scope: "col", class: column.isNumber ? "number" : null }, button);
  const update = (sorted, isDown) => {
    if (sorted === column) node.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    else node.removeAttribute("aria-sort");
  };
  return { node, update };
}

function sorting(columns, text) {
  const isDown = (text ?? "").startsWith("-");
  const name = isDown ? text.slice(1) : text;
  return { column: columns.find((each) => each.name === name) ?? null, isDown };
}

function compared({ at, rank }, a, b) {
  const [left, right] = [rank(a[at]), rank(b[at])];
  if (typeof left === "string") return left.localeCompare(right);
  return left === right ? 0 : left < right ? -1 : 1;
}

const has = (row, columns, wanted) =>
  columns.some(
    ({ at, text }) =>
      row[at].toLowerCase().includes(wanted) || text(row[at]).toLowerCase().includes(wanted),
  );

function line(row, columns) {
  const node = gridRow(columns.map(({ at, text }) => text(row[at])), Infinity);
  columns.forEach(({ isNumber }, i) => node.cells[i].classList.toggle("number", isNumber));
  return node;
}

/**
 * The sums of the columns that may be added up, of all rows that were found; or what `totalOf(rows)`
 * of a column says.
 */
function totals(columns, rows) {
  if (rows.length < 2 || !columns.some(({ adds }) => adds)) return [];
  const sum = ({ at, adds, totalOf }) =>
    totalOf !== undefined ? totalOf(rows) : adds ? total(rows.map((row) => row[at])) : null;
  const cells = columns.map((column, i) => {
    const kind = { class: column.isNumber ? "number" : null };
    const found = sum(column);
    if (found !== null) return h("td", kind, column.text(found));
    return i === 0 ? h("th", { scope: "row" }, "Total") : h("td", kind);
  });
  return [h("tr", {}, cells)];
}

function search(caption, text, onSearch) {
  let timer = 0;
  const id = `search-${caption.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
  const input = h("input", { type: "search", id, autocomplete: "off", spellcheck: "false" });
  input.value = text;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => onSearch(input.value), TYPING);
  });
  return h("div", { class: "field short" }, h("label", { for: id }, "Search"), input);
}
