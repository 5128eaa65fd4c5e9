/** Chart.js in the page's colours: loaded when first needed, drawn anew when the colours change. */

import { perhapsTranslated, translated } from "../language/language.js";
import { load } from "./library.js";

const NARROW = 480; // pixels
const LINES = 2;
const ROW = 2.75; // rem
const DENSE = 2; // rem, of rows with one bar
const dark = matchMedia("screen and (prefers-color-scheme: dark)"); // paper is light

/** A custom property of the style sheet, as it is now. */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Ticks of long names: two short lines at most, the whole name is in the tooltip. */
export const longNames = {
  autoSkip: false,
  callback(value) {
    return broken(this.getLabelForValue(value), this.chart.width < NARROW ? 13 : 24);
  },
};

/** A text on two lines at most, of at most `most` characters each. */
export function broken(text, most) {
  const lines = [""];
  for (const word of text.split(" ").flatMap((each) => pieces(each, most))) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= most || lines.at(-1) === "") lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  if (lines.length <= LINES) return lines;
  const last = `${lines[LINES - 1].slice(0, most - 1)}…`;
  return [...lines.slice(0, LINES - 1), last];
}

/** A word cut where it has no end. */
function pieces(word, most) {
  const letters = [...word];
  const count = Math.max(1, Math.ceil(letters.length / most));
  return Array.from({ length: count }, (_, i) => letters.slice(i * most, (i + 1) * most).join(""));
}

/** How many things of one chart have a colour of their own. */
export const HUES = 8;

/** The colour of the n-th of a few things. */
export const hue = (number) => colour(`--chart-${(number % HUES) + 1}`);

/**
 * A chart in a box of its own, described by `title` for those who do not see it. `configure()` says
 * what to draw, whenever it is drawn: at the beginning, at `update()`, when the colours change.
 * `rows` is how many groups of bars lie on top of each other, `dense` ones of a single bar.
 */
export function chart(title, configure, signal, { low = false, rows = null, dense = false } = {}) {
  const canvas = document.createElement("canvas");
  const node = document.createElement("div");
  node.className = low ? "chart low" : "chart";
  if (rows !== null) node.style.height = dense ? `${2.5 + rows * DENSE}rem` : `${6 + rows * ROW}rem`;
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", translated(title));
  node.append(canvas);
  let drawn = null;
  const redraw = () => {
    drawn?.destroy();
    drawn = null;
    update();
  };
  // Paper has another width than the screen, and by then it is too late for a drawing of its own.
  const fit = () => drawn?.resize();
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", fit);
  addEventListener("afterprint", fit);
  signal.addEventListener("abort", () => {
    dark.removeEventListener("change", redraw);
    removeEventListener("beforeprint", fit);
    removeEventListener("afterprint", fit);
    drawn?.destroy();
  });

  async function update() {
    const Chart = await load().catch(() => null);
    if (signal.aborted || !canvas.isConnected) return;
    if (Chart === null) {
      node.textContent = translated(
        "The chart could not be loaded; the table has the same figures.",
      );
      return;
    }
    const configuration = themed(configure());
    if (drawn === null) {
      drawn = new Chart(canvas, configuration);
    } else {
      drawn.data = configuration.data;
      drawn.options = configuration.options;
      drawn.update("none");
    }
  }
  return { node, update };
}

/** What a tooltip says, in the page's language; names in it stay. */
function saying({ callbacks = {}, ...tooltip } = {}) {
  const said = Object.entries(callbacks).map(([name, text]) => [
    name,
    (...given) => perhapsTranslated(String(text(...given))),
  ]);
  return { ...tooltip, callbacks: Object.fromEntries(said) };
}

function themed({ options = {}, data, ...configuration }) {
  for (const set of data.datasets) set.label &&= perhapsTranslated(set.label);
  const ink = colour("--muted");
  const scales = Object.entries(options.scales ?? {}).map(([name, scale]) => [
    name,
    {
      ...scale,
      ticks: { color: ink, ...scale.ticks },
      grid: { color: colour("--line"), ...scale.grid },
      border: { color: colour("--line") },
      title: { color: ink, ...scale.title, text: translated(scale.title?.text ?? "") },
    },
  ]);
  return {
    ...configuration,
    data,
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      color: colour("--ink"),
      font: { family: getComputedStyle(document.body).fontFamily },
      ...options,
      plugins: { ...options.plugins, tooltip: saying(options.plugins?.tooltip) },
      scales: Object.fromEntries(scales),
    },
  };
}
