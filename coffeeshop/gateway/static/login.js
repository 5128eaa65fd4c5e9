/** Exchanges a token for the cookie, then shows what was asked for: the fragment says it. */

const form = document.getElementById("login");
const field = document.getElementById("token");
const said = document.getElementById("said");

async function signIn() {
  const answer = await fetch("login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token: field.value.trim() }),
  });
  if (answer.ok) return location.replace(`./${location.hash}`);
  said.textContent = answer.status === 403 ? "Invalid token." : "The gateway refused the request.";
  field.select();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "";
  try {
    await signIn();
  } catch {
    said.textContent = "The gateway does not answer.";
  }
});
if (location.search === "?again")
  said.textContent =
    "You are signed out: your token was removed, or your sign-in expired. Sign in to continue.";
field.focus();
