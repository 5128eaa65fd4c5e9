/** A CSV text cut into parts at row ends, each with the header in front. */

export const PART = 2_900_000; // bytes
const LONGEST_ROW = 3_500_000;
const [NEWLINE, QUOTE] = [10, 34];

/** The text cannot be cut; `line` is where, from 1. */
export class CutError extends Error {
  constructor(reason, line) {
    super(reason);
    this.line = line;
  }
}

/**
 * Parts `{body: [header, rows], line}` of a stream of bytes; `line` is the line in the file of the
 * part's first row. A text without rows is one part, so that its header is looked at.
 */
export async function* cut(stream, size = PART) {
  const source = new Source(stream);
  try {
    const header = await source.header(size);
    let line = 2;
    let parts = 0;
    for (let wanted = size; ;) {
      const { data, atEnd } = await source.look(wanted);
      const end = rowsEnd(data, atEnd);
      if (end > 0) {
        const rows = source.take(end);
        yield { body: [header, rows], line };
        parts += 1;
        line += count(rows, NEWLINE, rows.length);
        wanted = size;
      } else if (data.length === 0) break;
      else if (atEnd) throw new CutError("a quoted field is opened and never closed", line);
      else if (wanted >= LONGEST_ROW)
        throw new CutError(
          `a row is longer than ${LONGEST_ROW} bytes, or a quoted field is never closed`,
          line,
        );
      else wanted = LONGEST_ROW;
    }
    if (parts === 0) yield { body: [header], line };
  } finally {
    source.close();
  }
}

/** Where the rows of `data` end that are there as a whole; 0 when there is none. */
function rowsEnd(data, atEnd) {
  if (atEnd && count(data, QUOTE, data.length) % 2 === 0) return data.length;
  let end = data.lastIndexOf(NEWLINE) + 1;
  let quotes = count(data, QUOTE, end);
  while (quotes % 2 === 1 && end > 0) {
    const before = end > 1 ? data.lastIndexOf(NEWLINE, end - 2) + 1 : 0;
    quotes -= count(data.subarray(before, end), QUOTE, end - before);
    end = before;
  }
  return end;
}

/** How often a byte occurs before `end`. */
function count(data, byte, end) {
  let found = 0;
  for (let at = data.indexOf(byte); at >= 0 && at < end; at = data.indexOf(byte, at + 1))
    found += 1;
  return found;
}

/** Bytes of a stream that were read and not yet taken. */
class Source {
  constructor(stream) {
    this.reader = stream.getReader();
    this.chunks = [];
    this.length = 0;
    this.ended = false;
  }

  /** The next `size` bytes, or all that is left. */
  async look(size) {
    while (this.length < size && !this.ended) {
      const { done, value } = await this.reader.read();
      this.ended = done;
      if (!done) {
        this.chunks.push(value);
        this.length += value.length;
      }
    }
    return { data: this.joined().subarray(0, size), atEnd: this.ended && this.length <= size };
  }

  async header(size) {
    let wanted = 4096;
    for (;;) {
      const { data, atEnd } = await this.look(wanted);
      const end = data.indexOf(NEWLINE) + 1;
      if (end > 0) return this.take(end);
      if (atEnd) return this.take(data.length);
      if (wanted >= size) throw new CutError("the header is too long", 1);
      wanted *= 8;
    }
  }

  take(size) {
    const [all] = this.chunks;
    this.chunks = [all.subarray(size)];
    this.length -= size;
    return all.subarray(0, size);
  }

  joined() {
    if (this.chunks.length !== 1) {
      const all = new Uint8Array(this.length);
      let at = 0;
      for (const chunk of this.chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      this.chunks = [all];
    }
    return this.chunks[0];
  }

  close() {
    this.reader.cancel().catch(() => {});
  }
}
