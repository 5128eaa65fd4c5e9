/** Numbers, sizes and times as people read them. */

import { language, perhapsTranslated } from "./language/language.js";

const HUNDREDTHS = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const made = new Map();
let currency = "";

/** Show amounts in a currency, by its ISO code, from now on; without one as mere numbers. */
export function useCurrency(code) {
  currency = code ?? "";
}

const inCurrency = (options) =>
  currency === "" ? options : { ...options, style: "currency", currency };

/** The formats of the page's language: a browser's own country decides how its language writes. */
function locale(ofDates) {
  if (language() === "en") return ofDates ? "en-GB" : "en";
  return navigator.languages.find((each) => each.startsWith(language())) ?? language();
}

function format(kind, options, ofDates = false) {
  const key = `${language()} ${kind.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(locale(ofDates), options));
  return made.get(key);
}

const number = (options, value) => format(Intl.NumberFormat, options).format(value);
// What a format writes is in the language already.
const date = (options, value) =>
  perhapsTranslated(format(Intl.DateTimeFormat, options, true).format(value));
const named = (options, value) =>
  perhapsTranslated(format(Intl.DateTimeFormat, { ...options, timeZone: "UTC" }).format(value));
const past = (value, unit) =>
  format(Intl.RelativeTimeFormat, { numeric: "auto" }).format(-value, unit);
const UNITS = ["B", "kB", "MB", "GB", "TB"];

export const whole = (value) => number({ maximumFractionDigits: 0 }, value);
export const money = (value) => number(inCurrency(HUNDREDTHS), value);
/** An exact amount as its text has it: two decimals, or the third where it is not zero. */
export const amount = (text) => number(inCurrency({ ...HUNDREDTHS, maximumFractionDigits: 3 }), text);
/** An average, which may be of numbers that are no amounts. */
export const average = (text) => number({ ...HUNDREDTHS, maximumFractionDigits: 3 }, text);
/** A part of a whole, with as many digits as say something. */
export const share = (part) => number({ style: "percent", maximumSignificantDigits: 2 }, part);
/** Per cent, as its text has it; `signed` where it is a change. */
export const percent = (text, signed = false) =>
  number(
    {
      style: "unit",
      unit: "percent",
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
      signDisplay: signed ? "exceptZero" : "auto",
    },
    text,
  );
/** The n-th day of a week that begins with Monday, and the n-th month, by name. */
export const weekday = (day) => named({ weekday: "long" }, new Date(Date.UTC(2024, 0, day)));
export const monthName = (at) => named({ month: "long" }, new Date(Date.UTC(2024, at - 1, 1)));
/** A limit of a bin: no more digits than it has. */
export const edge = (value) => number({ maximumFractionDigits: 2 }, value);

export const compact = (value) =>
  number({ notation: "compact", maximumSignificantDigits: 3 }, value);
export const moment = (seconds) =>
  date({ dateStyle: "medium", timeStyle: "short" }, seconds * 1000);
export const clock = (seconds) => date({ timeStyle: "medium" }, seconds * 1000);

/** `2024-03` as `Mar 2024`. */
export const month = (text) =>
  named({ month: "short", year: "numeric" }, new Date(`${text}-01T00:00:00Z`));

/** `2024-H1` as `First half of 2024`. */
export function half(text) {
  const [year, part] = text.split("-");
  return `${part === "H1" ? "First" : "Second"} half of ${year}`;
}

/** Bytes in decimal units. */
export function bytes(size) {
  let unit = 0;
  let value = size;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? number({ maximumSignificantDigits: 3 }, value) : whole(value)} ${UNITS[unit]}`;
}

/** Seconds as `0.8 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(seconds) {
  const tenths = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  if (seconds < 10) return `${number(tenths, Math.max(seconds, 0))} s`;
  const all = Math.round(seconds);
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)} min ${all % 60} s`;
  return `${Math.floor(all / 3600)} h ${Math.floor((all % 3600) / 60)} min`;
}

/** A moment, in seconds since 1970, as `2 minutes ago`. */
export function ago(seconds, now = Date.now() / 1000) {
  const gone = Math.max(0, now - seconds);
  if (gone < 5) return "just now";
  if (gone < 60) return past(Math.round(gone), "second");
  if (gone < 3600) return past(Math.round(gone / 60), "minute");
  if (gone < 86_400) return past(Math.round(gone / 3600), "hour");
  return past(Math.round(gone / 86_400), "day");
}

/** `one` or `many`, with the number in front. */
export const counted = (count, one, many = `${one}s`) =>
  `${whole(count)} ${count === 1 ? one : many}`;
