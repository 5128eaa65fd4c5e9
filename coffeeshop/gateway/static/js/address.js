/** What the page's address says: the session, its tab, and how that is looked at. */

const SESSION = /^#\/sessions\/([0-9a-f-]{36})(?:\/([a-z0-9_]{1,40}))?(?:\?(.*))?$/;

/** `{id, tab, look}` of a hash that is a session's; null for another. */
export function sessionIn(hash) {
  const [, id, tab = "", query = ""] = SESSION.exec(hash) ?? [];
  return id === undefined ? null : { id, tab, look: new URLSearchParams(query) };
}

/**
 * The address of a session's results. `tab` is the one that it names, or empty; `show(tab)` goes to
 * another; `look(tab)` has `get(name)` and `set({name: text})`. Nothing of it makes an entry in the
 * browser's history: who goes back goes to where they came from.
 */
export function resultsAddress(id) {
  const first = sessionIn(location.hash);
  const looks = new Map();
  let tab = first?.tab ?? "";
  if (tab !== "") looks.set(tab, first.look);
  const of = (key) => looks.get(key) ?? looks.set(key, new URLSearchParams()).get(key);
  const write = () => {
    if (sessionIn(location.hash)?.id !== id) return;
    const query = of(tab).toString();
    const rest = `${tab === "" ? "" : `/${tab}`}${query === "" ? "" : `?${query}`}`;
    history.replaceState(null, "", `#/sessions/${id}${rest}`);
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
