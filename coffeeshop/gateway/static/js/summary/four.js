/** The summary of a session that was asked the four questions and nothing else. */

import { chart, colour } from "../charts/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { percentOf, total, unitsOf } from "../exact.js";
import { amount, compact, counted, half, percent, whole } from "../format.js";
import { translated } from "../language/language.js";
import { hoursOf, USUAL, yearsOf } from "../results/asked.js";
import { byStore } from "../results/stores.js";
import { largestChart } from "./charts.js";
import { changeOf, tiles } from "./tiles.js";

const TITLES = ["Revenue", "Best store", "Best seller", "Stores", "Period", "Last half-year"];
const SCALE = 2; // decimals of an answer
const SHOWN = 10; // stores

export const fourSummary = {
  key: "summary",
  title: "Summary",
  needs: ["query3", "query2_most_profitable"],
  files: [],
  build,
};

function build([revenues, sellers], signal, { parameters = USUAL } = {}) {
  const stores = storesOf(byStore(allRows(revenues)));
  if (stores.lines.length === 0)
    return { nodes: [h("p", { class: "empty" }, "Nothing was sold.")], shown: () => {} };
  const figures = tiles(TITLES);
  figures.show(glance(stores, allRows(sellers), parameters));
  const halves = chart("Revenue by half-year", () => halvesConfiguration(stores), signal);
  const largest = largestChart("Top stores", () => stores.lines.slice(0, SHOWN), signal);
  const block = (title, node) => h("div", { class: "stack block" }, h("h3", {}, title), node);
  const nodes = [
    figures.node,
    h(
      "div",
      { class: "pair" },
      block("Revenue by half-year", halves.node),
      block("Top stores", largest.node),
    ),
    h(
      "p",
      { class: "hint" },
      "Ask the ready questions sales_cube and items_by_month as well to see months, weekdays, hours and items here.",
    ),
  ];
  return { nodes, shown: () => Promise.all([halves.update(), largest.update()]) };
}

/** What each half-year and each store took, the largest store first; all sums are exact. */
function storesOf({ halves, stores, of }) {
  const lines = stores.map((name, place) => {
    const value = total(halves.map((when) => of(place, when) ?? ""));
    return { name, value, text: amount(value) };
  });
  lines.sort((a, b) => Number(b.value) - Number(a.value));
  const sums = halves.map((when) => total(stores.map((_, place) => of(place, when) ?? "")));
  return { halves, sums, lines, all: total(sums) };
}

function glance({ halves, sums, lines, all }, sellers, parameters) {
  const [best] = lines;
  const share = percentOf(unitsOf(best.value, SCALE), unitsOf(all, SCALE));
  return {
    Revenue: { text: amount(all), note: `${yearsOf(parameters)}, ${hoursOf(parameters)}` },
    "Best store": { text: best.name, isData: true, note: `${best.text} · ${percent(share)} of all` },
    "Best seller": bestSeller(sellers),
    Stores: { text: whole(lines.length) },
    Period: { text: yearsOf(parameters), note: counted(halves.length, "half-year") },
    "Last half-year": lastHalf(halves, sums),
  };
}

/** The item that earned most in most of the months. */
function bestSeller(sellers) {
  const months = new Map();
  for (const [, item] of sellers) months.set(item, (months.get(item) ?? 0) + 1);
  if (months.size === 0) return { text: "–" };
  const [[name, won]] = [...months].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return {
    text: name || translated("(unknown item)"),
    isData: true,
    note: `Earned most in ${won} of ${counted(sellers.length, "month")}`,
  };
}

/** The last half-year against the same one of the year before, where there is one. */
function lastHalf(halves, sums) {
  const last = halves.at(-1);
  const year = Number(last.slice(0, 4)) - 1;
  const before = halves.indexOf(`${year}${last.slice(4)}`);
  const units = (place) => unitsOf(sums[place], SCALE);
  const change =
    before < 0
      ? null
      : changeOf(units(halves.length - 1), units(before), (found) => `${found} against ${short(halves[before])}`);
  return { text: amount(sums.at(-1)), change, note: half(last) };
}

const short = (when) => when.replace("-", " ");

function halvesConfiguration({ halves, sums }) {
  return {
    type: "bar",
    data: {
      labels: halves.map(short),
      datasets: [{ data: sums.map(Number), backgroundColor: colour("--accent") }],
    },
    options: {
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: ({ dataIndex }) => amount(sums[dataIndex]) } },
      },
      scales: {
        x: { grid: { display: false } },
        y: { beginAtZero: true, ticks: { callback: compact, maxTicksLimit: 6 } },
      },
    },
  };
}
