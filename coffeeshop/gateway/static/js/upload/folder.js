/** Which of the chosen files belong to which table. */

import { TABLES } from "../names.js";

const KINDS = [".csv", ".csv.gz"];

/**
 * `files` are `{file, path}`. Either layout: `<table>/<any>.csv` or `<table>.csv`, also `.csv.gz`.
 * Gives `{name, tables, missing, unusable}`: files by table in the order of their paths, tables
 * without a file, paths of files in formats that a browser does not send.
 */
export function folderOf(files) {
  const tables = Object.fromEntries(Object.keys(TABLES).map((table) => [table, []]));
  const unusable = [];
  for (const each of files) {
    const table = tableOf(each.path);
    if (table === null) continue;
    if (KINDS.some((kind) => each.path.endsWith(kind))) tables[table].push(each);
    else if (each.path.endsWith(".parquet")) unusable.push(each.path);
  }
  for (const found of Object.values(tables)) found.sort((a, b) => (a.path < b.path ? -1 : 1));
  const missing = Object.keys(tables).filter((table) => tables[table].length === 0);
  return { name: nameOf(files), tables, missing, unusable };
}

function tableOf(path) {
  const parts = path.split("/");
  const stem = parts.at(-1).split(".")[0];
  const folder = parts.at(-2);
  if (folder !== undefined && Object.hasOwn(TABLES, folder)) return folder;
  return Object.hasOwn(TABLES, stem) ? stem : null;
}

/** The folder that all paths begin with; empty when there is none. */
function nameOf(files) {
  const tops = new Set(files.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [top] = tops;
  return tops.size === 1 && !Object.hasOwn(TABLES, top) ? top : "";
}

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
