/** The chart that fits an answer: lines over time, sorted bars, hours by weekdays. */

import { chart, colour, hue, HUES, longNames } from "../charts/chart.js";
import { heatMap } from "../charts/heat.js";
import { perhapsTranslated } from "../language/language.js";
import { compact, whole } from "../format.js";

const MOST = 15; // bars of categories

/**
 * What can be drawn of an answer: `{kind, keys, choices}`, or null. A choice is a list of measures
 * of one kind, `{title, measures}`.
 */
export function fitting(columns, rows) {
  const keys = columns.filter(({ role }) => role === "key");
  const measures = columns.filter(({ role, isNumber }) => role === "measure" && isNumber);
  if (measures.length === 0 || keys.length === 0 || rows.length < 2) return null;
  const kind = kindOf(keys);
  return { kind, keys, choices: choicesOf(measures, keys.length === 1) };
}

function kindOf(keys) {
  const isDay = ({ part }) => part === "weekday" || part === "iso_weekday";
  if (keys.length === 2 && keys.some(isDay) && keys.some(({ part }) => part === "hour"))
    return "heat";
  if (keys.length === 1 && keys[0].isPart && !keys[0].isTime) return "parts";
  if (keys.length <= 2 && keys.filter(({ isTime }) => isTime).length === 1) return "lines";
  return "bars";
}

/** Measures of one kind are compared in one chart, where the keys leave room for that. */
function choicesOf(measures, isAlone) {
  const single = measures.map((each) => ({ title: each.title, measures: [each] }));
  if (!isAlone || measures.length < 2) return single;
  const together = ["amount", "average", "int"]
    .map((kind) => measures.filter((each) => each.kind === kind && each.adds))
    .filter((each) => each.length > 1)
    .map((each) => ({ title: perhapsTranslated(each.map(({ title }) => title).join(", ")), measures: each }));
  return [...together, ...single];
}

/** The chart of a choice; `{node, shown}`, and `text` says what it leaves out. */
export function drawn(title, { kind, keys }, choice, rows, signal) {
  if (kind === "heat") return heat(title, keys, choice.measures[0], rows);
  const data = { lines, parts, bars }[kind](keys, choice.measures, rows);
  const how = kind === "bars" ? { rows: data.labels.length } : {};
  const made = chart(title, () => configuration(kind, data, choice.measures), signal, how);
  return { node: made.node, shown: made.update, text: data.text };
}

const number = (text) => (text === "" ? null : Number(text));

/** One line a measure, or one for each of the largest values of the other key. */
function lines(keys, measures, rows) {
  const time = keys.find(({ isTime }) => isTime);
  const other = keys.find((key) => key !== time);
  const times = [...new Set(rows.map((row) => row[time.at]))].sort();
  const labels = times.map(time.text);
  if (other === undefined) {
    const byTime = new Map(rows.map((row) => [row[time.at], row]));
    const sets = measures.map(({ title, at }) => [
      title,
      times.map((each) => number(byTime.get(each)[at])),
    ]);
    return { labels, sets, text: "" };
  }
  const [{ at }] = measures;
  const groups = Map.groupBy(rows, (row) => row[other.at]);
  const sums = [...groups].map(([name, found]) => [
    name,
    found.reduce((all, row) => all + Number(row[at]), 0),
  ]);
  const largest = sums.sort((a, b) => b[1] - a[1]).slice(0, HUES);
  const sets = largest.map(([name]) => {
    const byTime = new Map(groups.get(name).map((row) => [row[time.at], number(row[at])]));
    return [other.text(name), times.map((each) => byTime.get(each) ?? null)];
  });
  const text = groups.size > HUES ? `The ${HUES} largest of ${groups.size}.` : "";
  return { labels, sets, text };
}

/** Parts of an instant in their own order. */
function parts([key], measures, rows) {
  const sorted = [...rows].sort((a, b) => key.rank(a[key.at]) - key.rank(b[key.at]));
  const sets = measures.map(({ title, at }) => [title, sorted.map((row) => number(row[at]))]);
  return { labels: sorted.map((row) => key.text(row[key.at])), sets, text: "" };
}

/** Categories, the largest first. */
function bars(keys, measures, rows) {
  const [{ at }] = measures;
  const sorted = [...rows].sort((a, b) => Number(b[at]) - Number(a[at]));
  const largest = sorted.slice(0, MOST);
  const labels = largest.map((row) => keys.map((key) => key.text(row[key.at])).join(" · "));
  const sets = measures.map((each) => [each.title, largest.map((row) => number(row[each.at]))]);
  const text = rows.length > MOST ? `The ${MOST} largest of ${whole(rows.length)}.` : "";
  return { labels, sets, text };
}

function configuration(kind, { labels, sets }, measures) {
  const isLine = kind === "lines";
  const isAcross = kind === "bars";
  const textOf = (index) => measures[Math.min(index, measures.length - 1)].text;
  const exact = ({ datasetIndex, raw, dataset }) =>
    `${dataset.label}: ${raw === null ? "–" : textOf(datasetIndex)(String(raw))}`;
  const measured = { beginAtZero: true, ticks: { callback: compact, maxTicksLimit: 7 } };
  const named = { grid: { display: false }, ticks: isAcross ? longNames : { maxRotation: 50 } };
  return {
    type: isLine ? "line" : "bar",
    data: {
      labels,
      datasets: sets.map(([label, data], i) => ({
        label,
        data,
        backgroundColor: sets.length === 1 ? colour("--accent") : hue(i),
        borderColor: sets.length === 1 ? colour("--accent") : hue(i),
        borderWidth: isLine ? 2 : 0,
        pointRadius: labels.length > 40 ? 0 : 3,
        spanGaps: false,
      })),
    },
    options: {
      indexAxis: isAcross ? "y" : "x",
      interaction: { mode: isLine ? "index" : "nearest", intersect: !isLine },
      plugins: {
        legend: { display: sets.length > 1, position: "bottom", labels: { boxWidth: 14 } },
        tooltip: { callbacks: { label: exact } },
      },
      scales: isAcross ? { x: measured, y: named } : { x: named, y: measured },
    },
  };
}

/** Hours across, days of the week down. */
function heat(title, keys, measure, rows) {
  const hour = keys.find(({ part }) => part === "hour");
  const day = keys.find((key) => key !== hour);
  const place = (value) => (day.part === "weekday" && value === "0" ? 7 : Number(value));
  const days = [...new Set(rows.map((row) => row[day.at]))].sort((a, b) => place(a) - place(b));
  const hours = [...new Set(rows.map((row) => row[hour.at]))].sort((a, b) => a - b);
  const values = new Map(rows.map((row) => [`${row[day.at]} ${row[hour.at]}`, row[measure.at]]));
  const named = (key) => (value) => ({ key: value, text: key.text(value) });
  const node = heatMap(title, {
    head: day.title,
    days: days.map(named(day)),
    hours: hours.map(named(hour)),
    value: (when, at) => values.get(`${when} ${at}`) ?? "",
    text: measure.text,
  });
  return { node, shown: () => {}, text: "" };
}
