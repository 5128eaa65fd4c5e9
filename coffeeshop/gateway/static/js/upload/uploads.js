/** The uploads of this page, by session. They go on whatever the page shows. */

const uploads = new Map();

export const uploadOf = (session) => uploads.get(session);

export const remember = (upload) => uploads.set(upload.id, upload);

export const anyUnderWay = () => [...uploads.values()].some((upload) => upload.isUnderWay);

/** A random UUID, also where the page did not come over HTTPS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
