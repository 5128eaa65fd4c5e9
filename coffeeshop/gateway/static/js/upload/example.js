/** The example data set of a gateway that has one, analysed as if its folder had been chosen. */

import { json, request } from "../api.js";
import { folderOf } from "./folder.js";
import { Upload } from "./upload.js";
import { asking, four, summary } from "./usual.js";
import { newId, remember } from "./uploads.js";

/** Fetch it, open a session for it and go there; raises what the gateway says to that. */
export async function tryExample() {
  const { name, files } = await json("v1/example");
  const fetched = [];
  for (const path of files) {
    const response = await request(`v1/example/${encodeURI(path)}`);
    fetched.push({ path, file: await response.blob() });
  }
  const upload = new Upload(newId(), await folderOf(fetched), {
    name,
    plan: "fused",
    questions: asking([...four(), ...summary()], []),
  });
  await upload.open();
  remember(upload);
  upload.run();
  location.hash = `#/sessions/${upload.id}`;
}
