/** Numbers sorted into bins of a round width. The report's own are in coffeeshop/report/figures.py. */

const WANTED = 24;

/**
 * At most about two dozen bins from `start`, below which there is no number: `edges` (one more than
 * bins) and `counts`. A bin that began below `start` would look like a dip.
 */
export function binned(numbers, start) {
  let most = start;
  for (const number of numbers) if (number > most) most = number;
  const width = roundWidth((most - start) / WANTED || 1);
  const counts = new Array(Math.floor((most - start) / width) + 1).fill(0);
  for (const number of numbers) counts[Math.floor((number - start) / width)] += 1;
  const edges = Array.from({ length: counts.length + 1 }, (_, i) => start + i * width);
  return { edges, counts };
}

/** The next 1, 2 or 5 times a power of ten. */
function roundWidth(width) {
  const power = 10 ** Math.floor(Math.log10(width));
  return [1, 2, 5, 10].find((factor) => factor * power >= width * 0.999) * power;
}
