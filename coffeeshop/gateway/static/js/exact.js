/** Exact decimal numbers: texts and whole units in BigInt, never a float. */

const digitsOf = (text) => (text.split(".")[1] ?? "").length;

/** The most decimals that one of the texts has. */
export const scaleOf = (texts) => texts.reduce((most, text) => Math.max(most, digitsOf(text)), 0);

/** A decimal text as whole units of its `scale`-th decimal; it has no more decimals than that. */
export function unitsOf(text, scale) {
  const [whole, rest = ""] = text.split(".");
  return BigInt(whole + rest.padEnd(scale, "0"));
}

/** Whole units as a decimal text. */
export function textOf(units, scale) {
  if (scale === 0) return String(units);
  const sign = units < 0n ? "-" : "";
  const figures = String(units < 0n ? -units : units).padStart(scale + 1, "0");
  return `${sign}${figures.slice(0, -scale)}.${figures.slice(-scale)}`;
}

/** The sum of decimal texts, as a text; empty ones do not count. */
export function total(texts) {
  const scale = scaleOf(texts);
  const all = texts.reduce((sum, text) => (text === "" ? sum : sum + unitsOf(text, scale)), 0n);
  return textOf(all, scale);
}

/** `a / b` as a whole number, halves away from zero; `b` is not zero. */
export function rounded(a, b) {
  const isNegative = a < 0n !== b < 0n;
  const [above, below] = [a < 0n ? -a : a, b < 0n ? -b : b];
  const found = (2n * above + below) / (2n * below);
  return isNegative ? -found : found;
}

/** How many per cent of `whole` the part is, a text with `digits` decimals; empty where it is nothing. */
export function percentOf(part, whole, digits = 1) {
  if (whole === 0n) return "";
  return textOf(rounded(part * 100n * 10n ** BigInt(digits), whole < 0n ? -whole : whole), digits);
}
