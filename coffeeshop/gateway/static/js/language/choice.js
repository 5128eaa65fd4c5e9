/** Which language the page has: the one that was chosen here, else the browser's. */

import { setText } from "../dom.js";
import { language, useLanguage } from "./language.js";
import { es } from "./es.js";

const KEY = "coffeeshop.language";
const TEXTS = { en: null, es };
const OTHER = { en: ["es", "Español"], es: ["en", "English"] };

function chosen() {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept in TEXTS) return kept;
  } catch {
    // A browser that keeps nothing has the language it asks for.
  }
  const wanted = navigator.languages.map((each) => each.slice(0, 2));
  return wanted.find((each) => each in TEXTS) ?? "en";
}

/** Use that language, and let `button` switch to the other; `onChange()` draws the page anew. */
export function wireLanguage(button, onChange) {
  // What the document itself says is kept in English, to be translated again.
  const own = [...document.querySelectorAll("[data-says]")].map((node) => [node, node.textContent]);
  const use = (name) => {
    useLanguage(name, TEXTS[name]);
    document.documentElement.lang = name;
    for (const [node, text] of own) setText(node, text);
    const [other, title] = OTHER[name];
    button.textContent = title;
    button.lang = other;
  };
  button.addEventListener("click", () => {
    const [other] = OTHER[language()];
    try {
      localStorage.setItem(KEY, other);
    } catch {
      // Then it is for this visit only.
    }
    use(other);
    onChange();
    button.focus({ preventScroll: true });
  });
  use(chosen());
}
