/** Chart.js in the page's colours: loaded when first needed, drawn anew when the colours change. */

import { load } from "./library.js";

const NARROW = 480; // pixels
const ROW = 2.75; // rem
const dark = matchMedia("screen and (prefers-color-scheme: dark)"); // paper is light

/** A custom property of the style sheet, as it is now. */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Ticks of long names: broken into lines where there is little room. */
export const longNames = {
  autoSkip: false,
  callback(value) {
    return broken(this.getLabelForValue(value), this.chart.width < NARROW ? 14 : 32);
  },
};

function broken(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= most || lines.at(-1) === "") lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** The colour of the n-th thing of many. */
export const hue = (number) => colour(`--chart-${(number % 8) + 1}`);

/**
 * A chart in a box of its own, described by `title` for those who do not see it. `configure()` says
 * what to draw, whenever it is drawn: at the beginning, at `update()`, when the colours change.
 * `rows` is how many groups of bars lie on top of each other.
 */
export function chart(title, configure, signal, { low = false, rows = null } = {}) {
  const canvas = document.createElement("canvas");
  const node = document.createElement("div");
  node.className = low ? "chart low" : "chart";
  if (rows !== null) node.style.height = `${6 + rows * ROW}rem`;
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", title);
  node.append(canvas);
  let drawn = null;
  const redraw = () => {
    drawn?.destroy();
    drawn = null;
    update();
  };
  dark.addEventListener("change", redraw);
  signal.addEventListener("abort", () => {
    dark.removeEventListener("change", redraw);
    drawn?.destroy();
  });

  async function update() {
    const Chart = await load().catch(() => null);
    if (signal.aborted || !canvas.isConnected) return;
    if (Chart === null) {
      node.textContent = "The chart could not be loaded; the table has the same figures.";
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

function themed({ options = {}, ...configuration }) {
  const ink = colour("--muted");
  const scales = Object.entries(options.scales ?? {}).map(([name, scale]) => [
    name,
    {
      ...scale,
      ticks: { color: ink, ...scale.ticks },
      grid: { color: colour("--line"), ...scale.grid },
      border: { color: colour("--line") },
      title: { color: ink, ...scale.title },
    },
  ]);
  return {
    ...configuration,
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      color: colour("--ink"),
      font: { family: getComputedStyle(document.body).fontFamily },
      ...options,
      scales: Object.fromEntries(scales),
    },
  };
}
