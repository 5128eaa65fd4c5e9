/** The page's beginning: routes, the banner, the button that is always there. */

import { routeOf } from "./address.js";
import { NoAnswer, request } from "./api.js";
import { compareView } from "./compare/compare.js";
import { onConnection, wayIn } from "./connection.js";
import { h, setAttribute, setText } from "./dom.js";
import { useCurrency } from "./format.js";
import { wireLanguage } from "./language/choice.js";
import { translated } from "./language/language.js";
import { live } from "./live.js";
import { overviewView } from "./overview.js";
import { sessionView } from "./session.js";
import { openUploadDialog } from "./upload/dialog.js";
import { droppedFiles } from "./upload/folder.js";
import { anyUnderWay } from "./upload/uploads.js";

const main = document.getElementById("main");
const banner = document.getElementById("banner");
const RECOVERED = 4000; // milliseconds
let leave = new AbortController();
let first = true;

function viewOf(hash) {
  const route = routeOf(hash);
  if (route?.view === "compare") return compareView(route.ids);
  if (route !== null) return sessionView(route.ids[0]);
  if (["", "#", "#/"].includes(hash) || hash.startsWith("#/?")) return overviewView();
  return nothingHere();
}

function nothingHere() {
  const node = h(
    "section",
    { class: "empty" },
    h("h1", { tabindex: "-1" }, "Page not found"),
    h("p", {}, h("a", { href: "#/" }, "Go to the overview")),
  );
  return { title: "Not found", node, start: () => {} };
}

function show() {
  leave.abort();
  leave = new AbortController();
  const view = viewOf(location.hash);
  document.title = `${translated(view.title)} · coffeeshop`;
  for (const [id, title] of Object.entries({ "to-overview": "Overview", "to-compare": "Compare" }))
    document.getElementById(id).toggleAttribute("aria-current", view.title === title);
  main.replaceChildren(view.node);
  view.start(leave.signal);
  // A reader of the screen goes on where the new content begins.
  if (!first) main.querySelector("h1")?.focus({ preventScroll: true });
  if (!first) scrollTo(0, 0);
  first = false;
}

const WORDS = {
  well: () => "The gateway answers again.",
  silent: () => "The gateway does not answer. This page may be out of date; trying again …",
  stranger: () => [
    "You are signed out, and your upload waits. It goes on when you ",
    h("a", { href: wayIn(), target: "_blank" }, "sign in again in another tab"),
    ".",
  ],
};

function showConnection(state) {
  banner.hidden = false;
  banner.classList.toggle("good", state === "well");
  banner.replaceChildren(...[WORDS[state]()].flat());
  if (state === "well")
    setTimeout(() => (banner.hidden = banner.classList.contains("good")), RECOVERED);
}

/** What everybody is to know, whatever they look at: that nobody works. */
function showTrouble({ latest }) {
  const box = document.getElementById("trouble");
  box.hidden = !latest?.trouble;
  setText(box, latest?.trouble ?? "");
}

function showAbout({ latest }) {
  if (latest === null) return;
  const { status, you } = latest;
  setText(document.getElementById("about"), `coffeeshop ${status.version} · ${status.gateway}`);
  const signOut = document.getElementById("sign-out");
  signOut.hidden = you.name === "";
  setAttribute(signOut, "title", you.name === "" ? null : `You are ${you.name}`);
}

async function signOut() {
  try {
    await request("logout", { method: "POST" });
  } catch (error) {
    if (error instanceof NoAnswer) return; // the banner says so
    throw error;
  }
  location.replace("login");
}

/** A folder may be dropped anywhere; an open dialog takes what is dropped on it by itself. */
function wireDrop() {
  const isOurs = (event) =>
    event.dataTransfer?.types.includes("Files") && document.querySelector("dialog[open]") === null;
  addEventListener("dragover", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", async (event) => {
    document.body.classList.remove("dropping");
    if (!isOurs(event)) return;
    event.preventDefault(); // else the browser leaves the page for the file
    const files = await droppedFiles(event.dataTransfer).catch(() => []);
    openUploadDialog(files);
  });
}

onConnection(showConnection);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment is the route
  main.focus();
});
document.getElementById("new-analysis").addEventListener("click", () => openUploadDialog());
document.getElementById("sign-out").addEventListener("click", signOut);
wireDrop();
wireLanguage(document.getElementById("language"), show);
addEventListener("hashchange", show);
addEventListener("beforeunload", (event) => {
  if (anyUnderWay()) event.preventDefault();
});
show();
live.listen(({ latest }) => useCurrency(latest?.currency), new AbortController().signal);
live.listen(showAbout, new AbortController().signal);
live.listen(showTrouble, new AbortController().signal);
live.start();
