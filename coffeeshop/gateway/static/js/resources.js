/** Memory and incoming data of the last minutes, as two small charts. */

import { chart, colour } from "./charts/chart.js";
import { h, setAttribute } from "./dom.js";
import { bytes, clock } from "./format.js";
import { live } from "./live.js";

/** The charts; `update(overview)` after each sample. */
export function resourcesPanel(signal) {
  const memory = line("Memory of all nodes", "memory", "--accent", bytes, signal);
  const rate = line("Data coming in", "rate", "--chart-2", (size) => `${bytes(size)}/s`, signal);
  const node = h("div", { class: "pair" }, memory.node, rate.node);
  const update = ({ you }) => {
    memory.node.hidden = !you.admin;
    memory.update();
    rate.update();
  };
  return { node, update };
}

function line(title, key, hue, text, signal) {
  const drawn = chart(title, () => configuration(key, hue, text), signal, { low: true });
  const value = h("strong", { class: "now" });
  const node = h("div", {}, h("h3", {}, title, value), drawn.node);
  const update = () => {
    const last = live.samples.at(-1);
    value.textContent = last === undefined ? "" : text(last[key]);
    setAttribute(drawn.node, "aria-label", `${title}: ${value.textContent} now`);
    drawn.update();
  };
  return { node, update };
}

function configuration(key, hue, text) {
  return {
    type: "line",
    data: {
      labels: live.samples.map((sample) => clock(sample.at)),
      datasets: [
        {
          data: live.samples.map((sample) => sample[key]),
          borderColor: colour(hue),
          backgroundColor: `${colour(hue)}22`,
          fill: true,
          pointRadius: 0,
          borderWidth: 2,
          cubicInterpolationMode: "monotone",
        },
      ],
    },
    options: {
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: ({ parsed }) => text(parsed.y) } },
      },
      interaction: { intersect: false, mode: "index" },
      scales: {
        x: { ticks: { maxTicksLimit: 4, maxRotation: 0 }, grid: { display: false } },
        y: {
          beginAtZero: true,
          suggestedMax: 1000,
          ticks: { maxTicksLimit: 4, callback: (value) => text(value) },
        },
      },
    },
  };
}
