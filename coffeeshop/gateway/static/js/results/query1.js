/** Query 1: large purchases, as a histogram and as a table to search. */

import { chart, colour } from "../charts/chart.js";
import { binned } from "../charts/bins.js";
import { h } from "../dom.js";
import { counted, edge, money, whole } from "../format.js";
import { folded, table } from "../grid.js";
import { hoursOf, USUAL, yearsOf } from "./asked.js";
import { purchases } from "./purchases.js";

const TITLE = "How many purchases there are of each size";

/** `figures` say what all rows come to, where `rows` are only some of them. */
function build([rows], signal, { figures = null, parameters = USUAL } = {}) {
  const amounts = Float64Array.from({ length: rows.length }, (_, i) => Number(rows.row(i)[1]));
  const all = figures ?? figuresOf(amounts, Number(parameters.min_amount));
  const summary = h("p", {}, summaryOf(all, parameters));
  if (all.total === 0) return { nodes: [summary], shown: () => {} };
  const histogram = chart(TITLE, () => configuration(all.bins), signal);
  const nodes = [
    summary,
    histogram.node,
    folded(table(TITLE, ["Final amount", "Purchases"], lines(all.bins), 1), "purchases by size"),
    purchases(rows, amounts, parameters.min_amount),
  ];
  return { nodes, shown: histogram.update };
}

export const query1 = { key: "q1", name: "query1", title: "Large purchases", needs: ["query1"], build };

const figuresOf = (amounts, least) => ({
  total: amounts.length,
  most: amounts.reduce((a, b) => Math.max(a, b), 0),
  bins: amounts.length ? binned(amounts, least) : null,
});

function summaryOf({ total, most }, parameters) {
  const { min_amount: least } = parameters;
  const when = `in ${yearsOf(parameters)}`;
  const at = hoursOf(parameters);
  if (total === 0) return `No purchase ${when} ${at} was of ${least} or more.`;
  return (
    `${counted(total, "purchase")} of ${least} or more ${when}, ${at}. ` +
    `The largest was of ${money(most)}.`
  );
}

const labelOf = ({ edges }, i) => `from ${edge(edges[i])} to under ${edge(edges[i + 1])}`;

const lines = (bins) => bins.counts.map((count, i) => [labelOf(bins, i), whole(count)]);

function configuration(bins) {
  return {
    type: "bar",
    data: {
      labels: bins.counts.map((_, i) => edge(bins.edges[i])),
      datasets: [
        {
          data: bins.counts,
          backgroundColor: colour("--accent"),
          barPercentage: 1,
          categoryPercentage: 0.94,
        },
      ],
    },
    options: {
      plugins: {
        legend: { display: false },
        tooltip: {
          callbacks: {
            title: ([{ dataIndex }]) => labelOf(bins, dataIndex),
            label: ({ parsed }) => counted(parsed.y, "purchase"),
          },
        },
      },
      scales: {
        x: { grid: { display: false }, title: { display: true, text: "Final amount" } },
        y: {
          beginAtZero: true,
          ticks: { precision: 0 },
          title: { display: true, text: "Purchases" },
        },
      },
    },
  };
}
