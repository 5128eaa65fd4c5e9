/** Numbers, sizes and times as people read them. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const MONEY = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const EDGE = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const MONTH = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = ["B", "kB", "MB", "GB", "TB"];

export const whole = (number) => WHOLE.format(number);
export const money = (number) => MONEY.format(number);
/** A limit of a bin: no more digits than it has. */
export const edge = (number) => EDGE.format(number);

export const compact = (number) => COMPACT.format(number);
export const moment = (seconds) => MOMENT.format(seconds * 1000);
export const clock = (seconds) => CLOCK.format(seconds * 1000);

/** `2024-03` as `Mar 2024`. */
export const month = (text) => MONTH.format(new Date(`${text}-01T00:00:00Z`));

/** `2024-H1` as `First half of 2024`. */
export function half(text) {
  const [year, part] = text.split("-");
  return `${part === "H1" ? "First" : "Second"} half of ${year}`;
}

/** Bytes in decimal units. */
export function bytes(number) {
  let unit = 0;
  let value = number;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? SHORT.format(value) : WHOLE.format(value)} ${UNITS[unit]}`;
}

/** Seconds as `0.8 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const all = Math.round(seconds);
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)} min ${all % 60} s`;
  return `${Math.floor(all / 3600)} h ${Math.floor((all % 3600) / 60)} min`;
}

/** A moment, in seconds since 1970, as `2 minutes ago`. */
export function ago(seconds, now = Date.now() / 1000) {
  const past = Math.max(0, now - seconds);
  if (past < 5) return "just now";
  if (past < 60) return AGO.format(-Math.round(past), "second");
  if (past < 3600) return AGO.format(-Math.round(past / 60), "minute");
  if (past < 86_400) return AGO.format(-Math.round(past / 3600), "hour");
  return AGO.format(-Math.round(past / 86_400), "day");
}

/** `one` or `many`, with the number in front. */
export const counted = (number, one, many = `${one}s`) =>
  `${whole(number)} ${number === 1 ? one : many}`;
