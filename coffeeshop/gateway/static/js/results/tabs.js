/** Tabs, by mouse and by arrow keys. */

import { h } from "../dom.js";

/**
 * Tabs of `pages` `{key, title, node, leave, isShown}`; `onLook(page)` when one is shown. Paper gets
 * all that were loaded. The first shown is `pages[first]`; `onChoice(page)` when another is chosen.
 */
export function tabs(label, pages, onLook, signal, { first = 0, onChoice = () => {} } = {}) {
  const buttons = pages.map((page, number) =>
    h(
      "button",
      {
        role: "tab",
        type: "button",
        id: `tab-${page.key}`,
        "aria-controls": `panel-${page.key}`,
        onclick: () => go(number),
        onkeydown: (event) => move(event, number),
      },
      page.title,
    ),
  );
  const panels = pages.map((page) =>
    h(
      "div",
      {
        role: "tabpanel",
        id: `panel-${page.key}`,
        "aria-labelledby": `tab-${page.key}`,
        tabindex: "0",
      },
      h("h3", { class: "paper" }, page.title),
      page.node,
    ),
  );
  const spread = () => {
    if (!pages.some((page) => page.isShown())) return;
    pages.forEach((page, number) => (panels[number].hidden = !page.isShown()));
  };
  const fold = () =>
    panels.forEach((panel, i) => (panel.hidden = buttons[i].tabIndex !== 0));
  addEventListener("beforeprint", spread, { signal });
  addEventListener("afterprint", fold, { signal });

  function choose(chosen) {
    pages.forEach((page, number) => {
      const isChosen = number === chosen;
      buttons[number].setAttribute("aria-selected", String(isChosen));
      buttons[number].tabIndex = isChosen ? 0 : -1;
      panels[number].hidden = !isChosen;
      if (!isChosen) page.leave();
    });
    onLook(pages[chosen]);
  }

  function go(chosen) {
    onChoice(pages[chosen]);
    choose(chosen);
  }

  function move(event, number) {
    const last = pages.length - 1;
    const to = {
      ArrowRight: number === last ? 0 : number + 1,
      ArrowLeft: number === 0 ? last : number - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
    buttons[to].focus();
  }
  const node = h(
    "div",
    {},
    h("div", { role: "tablist", "aria-label": label, class: "tabs" }, buttons),
    panels,
  );
  choose(first);
  return { node };
}
