/** A file's bytes as a stream, decompressed when it is a `.gz`, with how far it was read. */

/** `{stream, read()}`: `read()` says how many of the file's own bytes were read so far. */
export function opened(file, path) {
  let bytes = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      controller.enqueue(chunk);
    },
  });
  const counted = file.stream().pipeThrough(counter);
  const stream = path.endsWith(".gz")
    ? counted.pipeThrough(new DecompressionStream("gzip"))
    : counted;
  return { stream, read: () => bytes };
}
