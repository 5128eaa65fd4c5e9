/** What was chosen or dropped, and what the gateway makes of it. */

import { send } from "../api.js";

/**
 * `files` are `{file, path}`. Gives what the gateway says of their names, `{name, tables, problems,
 * warnings}` for the questions, the four if there are none, and for checks of the data; each file of a table is `{file, path, size, step}`, where `step` says what to send
 * first of it. Raises `Problem` or `NoAnswer`.
 */
export async function folderOf(files, questions = [], quality = false) {
  const names = files.map(({ file, path }) => ({ path, size: file.size }));
  const folder = await send("POST", "v1/folder", { files: names, ...asking(questions, quality) });
  const byPath = new Map(files.map(({ file, path }) => [path, file]));
  for (const found of Object.values(folder.tables)) {
    for (const each of found) each.file = byPath.get(each.path);
  }
  return folder;
}

/** An older gateway does not know the word. */
const asking = (questions, quality) => ({
  ...(questions.length > 0 ? { questions } : {}),
  ...(quality ? { quality } : {}),
});

/** The files of an `<input type=file>`. */
export const pickedFiles = (list) =>
  [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/** The files that were dropped, those in folders too. Call it before anything is awaited. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found;
}

async function collect(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a hundred entries at a time, then none.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const each of some) await collect(each, found);
  }
}
