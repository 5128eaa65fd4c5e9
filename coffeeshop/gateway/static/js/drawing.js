/** A flow of boxes and lines as an SVG drawing that fits its container. */

import { s, setAttribute } from "./dom.js";
import { translated } from "./language/language.js";

const WIDE = 96; // least pixels a column needs beyond its gap
const GAP = 44;
const BOX = { height: 54, apart: 14 };

/**
 * A drawing of `columns`, each a list of boxes `{id, title, detail, state}`, left to right where
 * there is room and top to bottom where not; `lines` are `{from, to, flowing, weight, label}`.
 */
export function drawing(signal) {
  const node = s("svg", { class: "drawing", role: "img" });
  let model = null;
  const draw = () => {
    const width = Math.floor(node.parentElement?.clientWidth ?? 0);
    if (model !== null && width > 0) paint(node, model, width);
  };
  const observer = new ResizeObserver(draw);
  signal.addEventListener("abort", () => observer.disconnect());
  const update = (now) => {
    const text = JSON.stringify(now);
    if (model !== null && JSON.stringify(model) === text) return;
    model = now;
    setAttribute(node, "aria-label", now.summary);
    if (node.parentElement !== null) observer.observe(node.parentElement);
    draw();
  };
  return { node, update };
}

function paint(node, { columns, lines }, width) {
  const isWide = width >= columns.length * (WIDE + GAP) - GAP;
  const { places, height } = isWide ? leftToRight(columns, width) : topToBottom(columns, width);
  node.setAttribute("viewBox", `0 0 ${width} ${height}`);
  node.setAttribute("width", width);
  node.setAttribute("height", height);
  node.replaceChildren(
    ...lines.map((line) => lineOf(line, places, isWide)),
    ...columns.flat().map((box) => boxOf(box, places.get(box.id))),
    ...(isWide ? lines.map((line) => labelOf(line, places)).filter((node) => node !== null) : []),
  );
}

function leftToRight(columns, width) {
  const most = Math.max(...columns.map((column) => column.length));
  const pitch = BOX.height + BOX.apart;
  const height = most * pitch + 22;
  const wide = (width - 2 - GAP * (columns.length - 1)) / columns.length;
  const places = new Map();
  columns.forEach((column, x) => {
    const top = (height - column.length * pitch + BOX.apart) / 2;
    column.forEach((box, y) => {
      places.set(box.id, { x: 1 + x * (wide + GAP), y: top + y * pitch, wide });
    });
  });
  return { places, height };
}

function topToBottom(columns, width) {
  const places = new Map();
  let y = 1;
  for (const column of columns) {
    const side = column.length > 1 ? 2 : 1;
    const wide = (width - 2 - (side - 1) * BOX.apart) / side;
    column.forEach((box, i) => {
      const row = Math.floor(i / side);
      places.set(box.id, {
        x: 1 + (i % side) * (wide + BOX.apart),
        y: y + row * (BOX.height + BOX.apart),
        wide,
      });
    });
    y += Math.ceil(column.length / side) * (BOX.height + BOX.apart) + 12;
  }
  return { places, height: y - BOX.apart - 11 };
}

function boxOf({ title, detail, state }, { x, y, wide }) {
  return s(
    "g",
    { class: `box ${state}`, transform: `translate(${x} ${y})` },
    s("rect", { width: wide, height: BOX.height, rx: 10 }),
    s("text", { x: 12, y: 23, class: "title", translate: "no" }, fitted(translated(title), wide - 20, 7.2)),
    s("text", { x: 12, y: 41, class: "detail", translate: "no" }, fitted(translated(detail), wide - 20, 6.2)),
    s("circle", { cx: wide - 12, cy: 14, r: 4 }),
  );
}

/** The text, cut where its box ends. */
function fitted(text, room, letter) {
  const most = Math.floor(room / letter);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function lineOf({ from, to, flowing, weight = 0 }, places, isWide) {
  const [a, b] = [places.get(from), places.get(to)];
  const middle = BOX.height / 2;
  const [x1, y1, x2, y2] = isWide
    ? [a.x + a.wide, a.y + middle, b.x, b.y + middle]
    : [a.x + a.wide / 2, a.y + BOX.height, b.x + b.wide / 2, b.y];
  const bend = isWide
    ? `C${x1 + GAP / 2} ${y1} ${x2 - GAP / 2} ${y2} ${x2} ${y2}`
    : `C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}`;
  return s("path", {
    d: `M${x1} ${y1} ${bend}`,
    class: flowing ? "line flowing" : "line",
    "stroke-width": 1.5 + weight,
  });
}

function labelOf({ from, to, label }, places) {
  if (!label) return null;
  const [a, b] = [places.get(from), places.get(to)];
  const y = (a.y + b.y) / 2 - 8;
  return s(
    "text",
    { x: (a.x + a.wide + b.x) / 2, y, class: "label", "text-anchor": "middle" },
    label,
  );
}
