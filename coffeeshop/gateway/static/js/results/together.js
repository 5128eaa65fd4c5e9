/** All results of a session in one file, and on paper. */

import { request } from "../api.js";
import { h, setText } from "../dom.js";
import { notice } from "../parts.js";

const FILES = {
  xlsx: { text: "Excel", said: "Download all results as an Excel workbook" },
  "csv.zip": { text: "CSV", said: "Download all results as an archive of CSV files" },
  "es.csv.zip": {
    text: "CSV for Spanish Excel",
    said: "Download all results as CSV files for Excel in Spanish",
  },
  html: { text: "Report", said: "Download the report: one file with tables and charts" },
};

/** The buttons; `print()` puts all results on paper. `update(session)` as it changes. */
export function togetherBar(session, print) {
  const trouble = h("div");
  const status = h("span", { class: "hint", role: "status" });
  const buttons = Object.entries(FILES).map(([form, { text, said }]) => {
    const button = h("button", { class: "button small", type: "button", title: said }, text);
    button.addEventListener("click", () => attempt(button, () => save(session, form)));
    return button;
  });
  const paper = h("button", { class: "button small", type: "button" }, "Print all results");
  paper.addEventListener("click", () => attempt(paper, print));
  const attempt = async (button, work) => {
    button.disabled = true;
    trouble.replaceChildren();
    setText(status, "One moment …");
    try {
      await work();
    } catch (error) {
      trouble.replaceChildren(notice(`This file could not be made: ${error.message}.`));
    }
    setText(status, "");
    button.disabled = false;
    button.focus({ preventScroll: true });
  };
  const label = h("span", { class: "hint" }, "Download all");
  const node = h(
    "div",
    { class: "screen", hidden: true },
    h("div", { class: "row start" }, label, buttons, paper, status),
    trouble,
  );
  const update = ({ state, queries }) => {
    node.hidden = state !== "completed";
    buttons.at(-1).hidden = !["query1", "query3", "query4"].every((name) => queries.includes(name));
  };
  return { node, update };
}

async function save({ id, name }, form) {
  const response = await request(`v1/sessions/${id}/downloads.${form}`);
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: `${name || id}.${form}` }).click();
  URL.revokeObjectURL(url);
}
