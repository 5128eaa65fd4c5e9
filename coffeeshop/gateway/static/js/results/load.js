/** A result fetched for showing, and the links that download it. */

import { request } from "../api.js";
import { rowsOf } from "../csv.js";
import { h } from "../dom.js";
import { QUERIES, words } from "../names.js";
import { perhapsTranslated } from "../language/language.js";
import { loading, notice } from "../parts.js";
import { pause } from "../patience.js";

const MOST = 20; // tries, where the gateway says when to come again
const FORMATS = ["csv", "xlsx", "json", "parquet"];
const nameOf = (query) => QUERIES[query] ?? perhapsTranslated(words(query));
const pathOf = (id, query, format) => `v1/sessions/${id}/downloads/${query}.${format}`;

/**
 * Show a question `{needs, build, files}` when its results are there, or a way to try again: what
 * `build(rows of each that it needs, signal, {parameters, look})` makes, and links to the files. Of
 * several sessions `id` is a list, and the rows of each follow those of the one before.
 */
export async function loaded(node, { id, parameters, look }, question, signal) {
  const { needs, files = needs, build } = question;
  node.replaceChildren(loading("Fetching the result …"));
  try {
    const wanted = [id].flat().flatMap((each) => needs.map((query) => fetched(each, query, signal)));
    const texts = await Promise.all(wanted);
    const parts = build(texts.map(rowsOf), signal, { parameters, look });
    node.replaceChildren(...parts.nodes, downloads(id, files));
    await parts.shown();
  } catch (error) {
    if (signal.aborted) return;
    const again = h("button", { class: "button", type: "button" }, "Try again");
    again.addEventListener("click", () => loaded(node, { id, parameters, look }, question, signal));
    node.replaceChildren(notice(`The result could not be fetched: ${error.message}.`, again));
  }
}

async function fetched(id, query, signal) {
  for (let tries = 0; ; tries += 1) {
    try {
      const response = await request(pathOf(id, query, "csv"), { signal });
      return await response.text();
    } catch (error) {
      if (!(error.retryAfter > 0) || tries > MOST) throw error;
      await pause(error.retryAfter, signal);
    }
  }
}

function downloads(id, queries) {
  const rows = queries.map((query) =>
    h(
      "div",
      { class: "row start" },
      h("span", { class: "hint" }, queries.length > 1 ? nameOf(query) : "Download"),
      FORMATS.map((format) =>
        h(
          "a",
          {
            class: "button small",
            href: pathOf(id, query, format),
            download: `${query}.${format}`,
            "aria-label": `Download ${nameOf(query)} as ${format}`,
          },
          format,
        ),
      ),
    ),
  );
  return h("div", { class: "downloads" }, rows);
}
