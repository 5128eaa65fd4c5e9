/** What the page's address says: the sessions, the tab, and how that is looked at. */

const ID = "[0-9a-f-]{36}";
const ROUTE = new RegExp(
  `^#/(sessions|compare)((?:/${ID}){0,2})(?:/([a-z][a-z0-9_]{0,39}))?(?:\\?(.*))?$`,
);

/** `{view, ids, tab, look}` of a hash that shows sessions; null for another. */
export function routeOf(hash) {
  const [, view, path = "", tab = "", query = ""] = ROUTE.exec(hash) ?? [];
  const ids = path.split("/").filter(Boolean);
  if (view === undefined || (view === "sessions" && ids.length !== 1)) return null;
  return { view, ids, tab, look: new URLSearchParams(query) };
}

/** What the address of the overview looks for, as URLSearchParams; null where it says nothing. */
export function overviewLook() {
  const query = /^#\/\?(.+)$/.exec(location.hash)?.[1];
  return query === undefined ? null : new URLSearchParams(query);
}

/** The address of a view of those sessions. */
export const addressOf = (view, ids) => `#/${[view, ...ids].join("/")}`;

/**
 * The address of the results of one session or two. `tab` is the one that it names, or empty;
 * `show(tab)` goes to another; `look(tab)` has `get(name)` and `set({name: text})`. Nothing of it
 * makes an entry in the browser's history: who goes back goes to where they came from.
 */
export function resultsAddress(view, ids) {
  const base = addressOf(view, ids);
  const isHere = () => {
    const now = routeOf(location.hash);
    return now !== null && addressOf(now.view, now.ids) === base;
  };
  const first = isHere() ? routeOf(location.hash) : null;
  const looks = new Map();
  let tab = first?.tab ?? "";
  if (first !== null) looks.set(tab, first.look);
  const of = (key) => looks.get(key) ?? looks.set(key, new URLSearchParams()).get(key);
  const write = () => {
    if (!isHere()) return;
    const query = of(tab).toString();
    const rest = `${tab === "" ? "" : `/${tab}`}${query === "" ? "" : `?${query}`}`;
    history.replaceState(null, "", `${base}${rest}`);
  };
  const show = (key) => {
    tab = key;
    write();
  };
  const look = (key) => ({
    get: (name) => of(key).get(name),
    set(values) {
      for (const [name, text] of Object.entries(values)) {
        if (text === "") of(key).delete(name);
        else of(key).set(name, text);
      }
      show(key);
    },
  });
  return { tab, show, look };
}

/** A look that no address keeps. */
export function forgottenLook() {
  const kept = new Map();
  return {
    get: (name) => kept.get(name) ?? null,
    set: (values) => Object.entries(values).forEach(([name, text]) => kept.set(name, text)),
  };
}
