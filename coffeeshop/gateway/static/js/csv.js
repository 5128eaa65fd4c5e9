/** Results as CSV text: rows read where they are looked at. */

/** Control characters and marks that turn the direction of a line; a CSV text's own line ends stay. */
const CONTROLS =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escaped(sign) {
  const code = sign.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
}

/**
 * The rows of a CSV text behind its header: `length` and `row(i)`, a list of texts. Control
 * characters in names are shown as escapes, as on a terminal.
 */
export function rowsOf(csv) {
  const text = csv.replace(CONTROLS, escaped);
  return text.includes('"') ? new ParsedRows(text) : new PlainRows(text);
}

/** Without quotes a row is a line, so a place for each is all that is kept beside the text. */
class PlainRows {
  constructor(text) {
    this.text = text;
    const starts = [];
    for (
      let at = text.indexOf("\n") + 1;
      at > 0 && at < text.length;
      at = text.indexOf("\n", at) + 1
    ) {
      starts.push(at);
    }
    this.starts = Uint32Array.from(starts);
    this.length = starts.length;
  }

  row(number) {
    const start = this.starts[number];
    const end = this.text.indexOf("\n", start);
    return this.text.slice(start, end < 0 ? undefined : end).split(",");
  }
}

class ParsedRows {
  constructor(text) {
    this.rows = parse(text).slice(1);
    this.length = this.rows.length;
  }

  row(number) {
    return this.rows[number];
  }
}

function parse(text) {
  const rows = [];
  let row = [];
  let at = 0;
  while (at < text.length) {
    const [value, next] = text[at] === '"' ? quoted(text, at) : bare(text, at);
    row.push(value);
    at = next + 1;
    if (text[next] !== ",") {
      rows.push(row);
      row = [];
    } else if (at === text.length) row.push("");
  }
  return rows;
}

function bare(text, start) {
  let end = start;
  while (end < text.length && text[end] !== "," && text[end] !== "\n") end += 1;
  return [text.slice(start, end), end];
}

function quoted(text, start) {
  let value = "";
  let at = start + 1;
  for (;;) {
    const end = text.indexOf('"', at);
    value += text.slice(at, end);
    if (text[end + 1] !== '"') return [value, end + 1];
    value += '"';
    at = end + 2;
  }
}

/** Every row as a list of texts. */
export const allRows = (rows) => Array.from({ length: rows.length }, (_, i) => rows.row(i));
