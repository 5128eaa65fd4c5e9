/** Chart.js, which is a plain script: fetched once, unless the page brought it along. */

let library = null;

/** Chart.js; raises when it could not be fetched, and may then be asked again. */
export async function load() {
  library ??= globalThis.Chart ?? fetched();
  try {
    return await library;
  } catch (error) {
    library = null;
    throw error;
  }
}

const fetched = () =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("../../vendor/chartjs/chart.umd.min.js", import.meta.url);
    script.onload = () => resolve(globalThis.Chart);
    script.onerror = () => reject(new Error("the charts could not be loaded"));
    document.head.append(script);
  });
