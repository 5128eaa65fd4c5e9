/** Word for those who do not see the page change. */

import { setText } from "./dom.js";

/** Say it once; a report has nowhere to. */
export function announce(text) {
  const announcer = document.getElementById("announcer");
  if (announcer !== null) setText(announcer, text);
}
