/** The parameters of the four questions in words. */

/** What is asked for where nothing else is said: as the gateway has it. */
export const USUAL = { years: "2024-2025", hours: "06:00:00-23:00:00", min_amount: "75", top: 3 };

/** `2024`, `2024 and 2025`, `2022 to 2025`. */
export function yearsOf({ years }) {
  const [first, last = first] = years.split("-");
  if (first === last) return first;
  return `${first} ${Number(last) - Number(first) === 1 ? "and" : "to"} ${last}`;
}

/** `between 6:00 and 23:00`. */
export function hoursOf({ hours }) {
  const [from, to] = hours.split("-").map((clock) => clock.replace(/^0|:00$/g, ""));
  return `between ${from} and ${to}`;
}
