/** Word for those who do not see the page change. */

import { setText } from "./dom.js";

/** Say it once. */
export function announce(text) {
  setText(document.getElementById("announcer"), text);
}
