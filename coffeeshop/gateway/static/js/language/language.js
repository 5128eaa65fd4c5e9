/**
 * The language of the page. Its modules say everything in English; what is put into the document
 * is translated on the way, by `dom.js`. A dictionary has whole texts, where `{}` stands for what is
 * filled in: `"{} of {}": "{} de {}"`.
 */

const KEPT = 2000; // translations that are remembered: most texts come again every second
const HOLE = "{}";
const SIDE = " · ";
const ANYTHING = "(.+?)";
/** Where little else tells that a text is meant: a number with its unit, or one word. */
const FIGURE = "(\\d\\S*(?: \\S+){0,2}|\\S+)";
const SURE = 7; // letters of its own

let name = "en";
let dictionary = new Map();
let patterns = [];
const made = new Map(); // text -> its translation
const results = new Set(); // translations, and what is to stay as it is
const missing = new Set();

/** `en` or `es`. */
export const language = () => name;

/** Texts that were shown and are in no dictionary. */
export const untranslated = () => [...missing];

/** Use a language from now on; `texts` translates from English, null for English itself. */
export function useLanguage(newName, texts) {
  name = newName;
  const entries = Object.entries(texts ?? {});
  dictionary = new Map(entries);
  patterns = entries.filter(([text]) => text.includes(HOLE)).map(patternOf);
  // The longer its own text, the surer it is meant.
  patterns.sort((a, b) => b.weight - a.weight);
  for (const each of [made, results, missing]) each.clear();
}

/** The text in the page's language; one that no dictionary has stays, and is noted. */
export function translated(text) {
  if (dictionary.size === 0 || !/\p{L}{2}/u.test(text)) return text;
  const found = translation(text);
  if (found === null && !results.has(text)) missing.add(text);
  return found ?? text;
}

/** The same for a text that may come from the data: then it stays as it is. */
export function perhapsTranslated(text) {
  if (dictionary.size === 0) return text;
  const found = translation(text) ?? text;
  if (results.size > KEPT) results.clear();
  results.add(found);
  return found;
}

function translation(text) {
  const known = made.get(text);
  if (known !== undefined) return known;
  const bare = text.trim();
  const found = dictionary.get(bare) ?? (bare.includes(SIDE) ? joined(bare) : byPattern(bare));
  if (found === null) return null;
  const whole = text.replace(bare, () => found);
  if (made.size > KEPT) made.clear();
  made.set(text, whole);
  if (results.size > KEPT) results.clear();
  results.add(whole);
  return whole;
}

function byPattern(text) {
  for (const { pattern, target } of patterns) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const parts = found.slice(1).map((part) => translation(part) ?? part);
    // In another order where the translation numbers its holes.
    let next = 0;
    return target.replaceAll(/\{(\d?)\}/g, (_, number) => parts[number ? Number(number) - 1 : next++]);
  }
  return null;
}

/** Texts side by side, of which each is one of its own. */
const joined = (text) =>
  text
    .split(SIDE)
    .map((part) => translation(part) ?? part)
    .join(SIDE);

function patternOf([text, target]) {
  const literal = text.split(HOLE).map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const weight = text.replaceAll(HOLE, "").length;
  const hole = weight < SURE ? FIGURE : ANYTHING;
  return { pattern: new RegExp(`^${literal.join(hole)}$`, "s"), target, weight };
}
