/** A report: what is embedded in it, shown as the live page shows results. */

import { rowsOf } from "../gateway/static/js/csv.js";
import { h } from "../gateway/static/js/dom.js";
import { useCurrency, whole } from "../gateway/static/js/format.js";
import { QUERIES } from "../gateway/static/js/names.js";
import { section } from "../gateway/static/js/parts.js";
import { QUESTIONS } from "../gateway/static/js/results/questions.js";

const { results, sizes, files, parameters, currency } = JSON.parse(document.getElementById("data").textContent);
useCurrency(currency);
const main = document.getElementById("results");
const always = new AbortController().signal;

for (const { title, needs, build } of QUESTIONS) {
  const rows = needs.map((query) => rowsOf(results[query].csv));
  const { nodes, shown } = build(rows, always, { figures: sizes, parameters });
  const limits = needs.filter((query) => results[query].rows < results[query].total).map(limit);
  main.append(section(title, { class: "panel" }, ...limits, ...nodes, downloads(needs)));
  shown();
}
document.getElementById("questions").append(
  ...[...main.children].map((node) => {
    const heading = node.querySelector("h2");
    return h("a", { href: `#${heading.id}` }, heading.textContent);
  }),
);

/** What is left out, and where it is. */
function limit(query) {
  const { rows, total } = results[query];
  const which = query === "query1" ? "largest" : "first";
  const where = files[query]
    ? ["The full result is in ", h("code", { class: "breaking" }, files[query]), "."]
    : ["The full result is not in this file."];
  return h(
    "p",
    { class: "notice warn" },
    h(
      "span",
      {},
      `${QUERIES[query]}: the table and the download have the ${whole(rows)} ${which} of ${whole(total)} rows. `,
      where,
    ),
  );
}

function downloads(queries) {
  const links = queries.map((query) => {
    const file = new Blob([results[query].csv], { type: "text/csv" });
    return h(
      "a",
      { class: "button small", href: URL.createObjectURL(file), download: `${query}.csv` },
      `Download ${QUERIES[query].toLowerCase()} (CSV)`,
    );
  });
  return h("div", { class: "actions screen" }, links);
}

/** Paper has nothing to unfold. */
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const node of folded) node.open = true;
});
addEventListener("afterprint", () => {
  for (const node of folded) node.open = false;
});
