/** The charts of the summary: months as a line, weekdays by hours, the largest stores. */

import { chart, colour, longNames } from "../charts/chart.js";
import { heatMap } from "../charts/heat.js";
import { amount, compact, month, weekday, whole } from "../format.js";
import { translated } from "../language/language.js";
import { later, monthsOf } from "./period.js";

const LARGEST = 10;
const YEAR = 12; // months

/** The months of a period, and the same months a year before where the data has them. */
export function monthsChart(state, signal) {
  return chart("Sales by month", () => monthsConfiguration(state()), signal);
}

function monthsConfiguration({ measure, sums, period, earlier }) {
  const months = monthsOf(period);
  const valueOf = (found, when) => {
    const text = measure.value(found.months.get(when));
    return text === "" ? null : Number(text);
  };
  const dot = months.length > 40 ? 0 : 3;
  const sets = [
    {
      label: measure.title,
      data: months.map((when) => valueOf(sums, when)),
      borderColor: colour("--accent"),
      backgroundColor: colour("--accent"),
      borderWidth: 2,
      pointRadius: dot,
    },
  ];
  if (earlier !== null)
    sets.push({
      label: "A year before",
      data: months.map((when) => valueOf(earlier, later(when, -YEAR))),
      borderColor: colour("--edge"),
      backgroundColor: colour("--edge"),
      borderDash: [5, 5],
      borderWidth: 2,
      pointRadius: 0,
    });
  const said = ({ dataset, raw, dataIndex, datasetIndex }) => {
    const [found, when] = datasetIndex === 0 ? [sums, months[dataIndex]] : [earlier, later(months[dataIndex], -YEAR)];
    return raw === null ? `${dataset.label}: –` : `${dataset.label}: ${measure.text(measure.value(found.months.get(when)))}`;
  };
  return {
    type: "line",
    data: { labels: months.map(month), datasets: sets },
    options: {
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: sets.length > 1, position: "bottom", labels: { boxWidth: 14 } },
        tooltip: { callbacks: { label: said } },
      },
      scales: {
        x: { grid: { display: false }, ticks: { maxRotation: 50 } },
        y: { beginAtZero: true, ticks: { callback: compact, maxTicksLimit: 6 } },
      },
    },
  };
}

/**
 * The largest of many as bars; `largest()` gives them, `{name, value, text}` each, the largest first,
 * where `value` is a decimal text and `text` says it in full.
 */
export function largestChart(title, largest, signal) {
  const draw = () => {
    const found = largest();
    return {
      type: "bar",
      data: {
        labels: found.map(({ name }) => name),
        datasets: [{ data: found.map(({ value }) => Number(value)), backgroundColor: colour("--accent") }],
      },
      options: {
        indexAxis: "y",
        plugins: {
          legend: { display: false },
          tooltip: {
            callbacks: {
              title: ([{ dataIndex }]) => found[dataIndex].name,
              label: ({ dataIndex }) => found[dataIndex].text,
            },
          },
        },
        scales: {
          x: { beginAtZero: true, ticks: { callback: compact, maxTicksLimit: 6 } },
          y: { grid: { display: false }, ticks: longNames },
        },
      },
    };
  };
  return chart(title, draw, signal, { rows: LARGEST, dense: true });
}

/** The stores with the largest values of the measure that is shown. */
export function largestStores({ measure, sums }, nameOf) {
  return [...sums.stores]
    .map(([key, sum]) => ({ name: nameOf(key), value: measure.value(sum) }))
    .map((each) => ({ ...each, text: `${measure.title}: ${measure.text(each.value)}` }))
    .sort((a, b) => Number(b.value) - Number(a.value))
    .slice(0, LARGEST);
}

/** The items with the largest revenue, of `itemsOf`. */
export const largestItems = (items) =>
  items.slice(0, LARGEST).map(({ name, revenue, sold }) => ({
    name: name || translated("(unknown item)"),
    value: revenue,
    text: `Revenue: ${amount(revenue)} · Sold: ${whole(BigInt(sold))}`,
  }));

/** The table of weekdays by hours. */
export function timesMap({ measure, sums }) {
  const keys = [...sums.times.keys()].map((key) => key.split(" "));
  const sorted = (at) => [...new Set(keys.map((key) => key[at]))].filter(Boolean).sort((a, b) => a - b);
  return heatMap(`${measure.title} by weekday and hour`, {
    head: "Weekday",
    days: sorted(0).map((key) => ({ key, text: weekday(Number(key)) })),
    hours: sorted(1).map((key) => ({ key, text: `${key}:00` })),
    value: (day, hour) => measure.value(sums.times.get(`${day} ${hour}`)),
    text: measure.text,
  });
}
