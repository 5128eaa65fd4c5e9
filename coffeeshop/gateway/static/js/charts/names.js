/** A plugin of Chart.js that writes a name into each upright bar, so that colours need no legend. */

const MARGIN = 6; // pixels
const LEAST = 9; // pixels that a bar must be wide
const LARGEST = 12; // pixels, of the letters

/** `nameOf(index)` is the name of the bar at that place of the axis. */
export function namesInBars(nameOf) {
  return {
    id: "names-in-bars",
    afterDatasetsDraw(drawn) {
      drawn.data.datasets.forEach((dataset, number) => {
        const meta = drawn.getDatasetMeta(number);
        if (meta.hidden) return;
        meta.data.forEach((bar, index) => {
          if (dataset.data[index] !== null)
            write(drawn.ctx, bar, nameOf(index), inkOn(dataset.backgroundColor));
        });
      });
    },
  };
}

function write(context, bar, name, ink) {
  const { x, y, base, width } = bar.getProps(["x", "y", "base", "width"], true);
  const room = Math.abs(base - y) - 2 * MARGIN;
  if (width < LEAST || room < 2 * LARGEST) return;
  context.save();
  context.translate(x, Math.max(base, y) - MARGIN);
  context.rotate(-Math.PI / 2);
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.font = `${Math.min(LARGEST, width - 1)}px ${context.canvas.ownerDocument.defaultView.getComputedStyle(context.canvas).fontFamily}`;
  context.fillText(fitted(context, name, room), 0, 0);
  context.restore();
}

/** The name, cut where its bar ends. */
function fitted(context, name, room) {
  if (context.measureText(name).width <= room) return name;
  const letters = [...name];
  while (letters.length > 1 && context.measureText(`${letters.join("")}…`).width > room)
    letters.pop();
  return `${letters.join("")}…`;
}

/** Dark or light letters, whichever can be read on `#rrggbb`. */
function inkOn(fill) {
  const channels = [1, 3, 5].map((at) => Number.parseInt(fill.slice(at, at + 2), 16) / 255);
  const [r, g, b] = channels.map((c) => (c <= 0.04 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#17120f" : "#ffffff";
}
