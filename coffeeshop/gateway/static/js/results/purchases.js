/** The purchases, a page at a time: searched and sorted without ever being in the document. */

import { h, setText } from "../dom.js";
import { grid, gridRow } from "../grid.js";
import { amount, counted, whole } from "../format.js";

const SIZE = 25;
const TYPING = 150; // milliseconds
const ORDERS = { id: "Transaction id", most: "Largest first", least: "Smallest first" };

/** The table with its search field, order and pages. */
export function purchases(rows, amounts, least) {
  const found = new Found(rows, amounts);
  const body = h("tbody");
  const count = h("p", { class: "hint", role: "status" });
  const buttons = ["First", "Previous", "Next", "Last"].map((text) =>
    h("button", { class: "button small", type: "button" }, text),
  );
  let page = 0;

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / SIZE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const [from, to] = [page * SIZE, Math.min(found.length, (page + 1) * SIZE)];
    body.replaceChildren(...found.slice(from, to).map(rowOf));
    setText(
      count,
      found.length
        ? `${whole(from + 1)} to ${whole(to)} of ${counted(found.length, "purchase")}`
        : "Nothing found",
    );
    buttons.forEach((button, i) =>
      button.setAttribute("aria-disabled", String(i < 2 ? page === 0 : page === pages - 1)),
    );
  }
  const go = (to) => {
    page = to;
    show();
  };
  buttons[0].addEventListener("click", () => go(0));
  buttons[1].addEventListener("click", () => go(page - 1));
  buttons[2].addEventListener("click", () => go(page + 1));
  buttons[3].addEventListener("click", () => go(Infinity));
  show();
  return h(
    "div",
    { class: "stack" },
    controls(
      (text) => {
        found.search(text);
        go(0);
      },
      (order) => {
        found.order(order);
        go(0);
      },
    ),
    grid(`Purchases of ${least} or more`, ["Transaction", "Final amount"], body, { numbers: 1 }),
    h(
      "div",
      { class: "row" },
      count,
      h("div", { class: "actions", role: "group", "aria-label": "Pages" }, buttons),
    ),
  );
}

/** The numbers of the rows that are wanted, in the order that is wanted. */
class Found {
  constructor(rows, amounts) {
    this.rows = rows;
    this.amounts = amounts;
    this.text = "";
    this.by = "id";
    this.numbers = null; // all of them, as they come
  }

  get length() {
    return this.numbers === null ? this.rows.length : this.numbers.length;
  }

  search(text) {
    this.text = text.trim().toLowerCase();
    this.find();
  }

  order(by) {
    this.by = by;
    this.find();
  }

  find() {
    if (this.text === "" && this.by === "id") {
      this.numbers = null;
      return;
    }
    let numbers = Uint32Array.from({ length: this.rows.length }, (_, i) => i);
    if (this.text !== "")
      numbers = numbers.filter((i) =>
        this.rows.row(i).some((value) => value.toLowerCase().includes(this.text)),
      );
    const sign = this.by === "most" ? -1 : 1;
    if (this.by !== "id")
      numbers.sort((a, b) => sign * (this.amounts[a] - this.amounts[b]) || a - b);
    this.numbers = numbers;
  }

  slice(from, to) {
    return Array.from({ length: to - from }, (_, i) =>
      this.rows.row(this.numbers === null ? from + i : this.numbers[from + i]),
    );
  }
}

function controls(onSearch, onOrder) {
  let timer = 0;
  const search = h("input", {
    type: "search",
    id: "purchase-search",
    autocomplete: "off",
    spellcheck: "false",
  });
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => onSearch(search.value), TYPING);
  });
  const order = h(
    "select",
    { id: "purchase-order", onchange: () => onOrder(order.value) },
    Object.entries(ORDERS).map(([value, text]) => h("option", { value }, text)),
  );
  return h(
    "div",
    { class: "row start" },
    h(
      "div",
      { class: "field" },
      h("label", { for: "purchase-search" }, "Search id or amount"),
      search,
    ),
    h("div", { class: "field" }, h("label", { for: "purchase-order" }, "Order"), order),
  );
}

const rowOf = ([id, value]) => gridRow([h("code", { class: "breaking" }, id), amount(value)], 1);
