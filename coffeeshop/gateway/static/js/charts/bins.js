/** Numbers sorted into bins of a round width. */

const WANTED = 24;

/** At most about two dozen bins: `edges` (one more than bins) and `counts`. */
export function binned(numbers) {
  let [least, most] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number < least) least = number;
    if (number > most) most = number;
  }
  const width = roundWidth((most - least) / WANTED || 1);
  const first = Math.floor(least / width);
  const counts = new Array(Math.floor(most / width) - first + 1).fill(0);
  for (const number of numbers) counts[Math.floor(number / width) - first] += 1;
  const edges = Array.from({ length: counts.length + 1 }, (_, i) => (first + i) * width);
  return { edges, counts };
}

/** The next 1, 2 or 5 times a power of ten. */
function roundWidth(width) {
  const power = 10 ** Math.floor(Math.log10(width));
  return [1, 2, 5, 10].find((factor) => factor * power >= width * 0.999) * power;
}
