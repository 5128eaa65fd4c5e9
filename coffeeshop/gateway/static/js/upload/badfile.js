/** Files and rows that the gateway refuses: what it is told of them, and what was left out. */

/** What is wrong with a file, and where; what is not known is null. */
export class BadFile extends Error {
  constructor(
    reason,
    { path, line = null, row = null, column = null, value = null, bad_rows: found = [] },
  ) {
    super(reason);
    const rows = found.map((each) => ({ ...each, file: path }));
    Object.assign(this, { path, line, row, column, value, rows });
  }

  /** Whether it is a row, without which the file could be read. */
  get isRow() {
    return this.rows.length > 0 || this.row !== null;
  }

  /** The rows, as a gateway takes them; this one, where it told no others. */
  get firstRows() {
    const { path: file, line, row, column, value, message: reason } = this;
    return this.rows.length > 0 ? this.rows : [{ file, line: line ?? row, column, value, reason }];
  }

  /** What a gateway is told: why its session cannot go on, with the first bad rows. */
  get why() {
    const { path: file, line, row, column, value, message: reason } = this;
    const places = [line && `line ${line}`, row && `row ${row}`, column && `column ${column}`];
    const where = [file, ...places].filter(Boolean).join(", ");
    const found = value === null ? "" : `, value “${value}”`;
    const rows = this.isRow || line !== null ? this.firstRows : [];
    return {
      kind: "bad_data",
      reason: `${where}${found}: ${reason}`.slice(0, 1000),
      bad_rows: rows.slice(0, 10).map(bounded),
    };
  }
}

const MOST_ROWS = 10; // that are told

/** What was left out of a table from which nothing was. */
export const nothing = () => ({ rows: 0, of: 0, first: [] });

/** Count what a part left out of its table. */
export function add(leftOut, { rows, left_out: count = 0, bad_rows: found = [] }, file) {
  leftOut.rows += count;
  leftOut.of += count + rows;
  const room = MOST_ROWS - leftOut.first.length;
  leftOut.first.push(...found.slice(0, room).map((row) => bounded({ ...row, file })));
}

/** A row within what a gateway takes. */
const bounded = ({ file, line, column, value, reason }) => ({
  file: file.slice(-300),
  line,
  column: column?.slice(0, 100) ?? null,
  value: value?.slice(0, 200) ?? null,
  reason: reason.slice(0, 500),
});
