/**
 * The login page: a name and a password, or a token, for a session's cookie; then back to where one came from.
 *
 * `?next=` is where that was, `&because=` why one was sent here (docs/ref/auth.md).
 */
import { askWho, localPath } from "./ui/who.js";

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id));
const submit = /** @type {HTMLButtonElement} */ (byId("submit"));
const asked = new URLSearchParams(location.search);
const next = localPath(asked.get("next"));

/** @type {Record<string, string>} */
const BECAUSE = {
  wrong: "The address you came by holds a token or a signature that is wrong.",
  expired: "The address you came by has expired. Ask for a new one, or log in.",
  denied: "You may not see this page.",
};

/** @param {string} text */
function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = text === "";
}

/** @param {boolean} token */
function choose(token) {
  for (const [id, shown] of /** @type {[string, boolean][]} */ ([["user", !token], ["password", !token], ["token", token]])) {
    input(id).disabled = !shown;
    /** @type {HTMLElement} */ (input(id).parentElement).hidden = !shown;
  }
  byId("other").textContent = token ? "I have a name and a password" : "I have a token";
  input(token ? "token" : "user").focus();
}

/** Counts the seconds down that the server wants to be left alone. @param {number} seconds */
async function pause(seconds) {
  submit.disabled = true;
  for (let left = seconds; left > 0; left--) {
    trouble(`Too many wrong attempts from this address. Try again in ${left} s.`);
    await new Promise((done) => setTimeout(done, 1000));
  }
  trouble("");
  submit.disabled = false;
}

async function logIn() {
  const token = !input("token").disabled;
  const said = token ? { token: input("token").value.trim() } : { user: input("user").value.trim(), password: input("password").value };
  submit.disabled = true;
  trouble("");
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(said),
    signal: AbortSignal.timeout(20_000),
  }).catch(() => null);
  submit.disabled = false;
  if (answer?.ok) return location.replace(next);
  const field = input(token ? "token" : "password");
  if (answer?.status === 429) {
    await pause(Number(answer.headers.get("retry-after")) || 1);
  } else if (answer?.status === 401) {
    trouble(token ? "This token is not known, or has expired." : "Name or password is wrong.");
    field.select();
  } else if (answer) {
    const problem = await answer.json().catch(() => null);
    trouble(problem?.detail ?? `The server answered ${answer.status}.`);
  } else {
    trouble("The server does not answer. Is it running, and are you on its network?");
  }
  field.focus();
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!submit.disabled) logIn();
});
byId("other").onclick = () => choose(input("token").disabled);

trouble(BECAUSE[asked.get("because") ?? ""] ?? "");
choose(false);
const me = await askWho();
if (me?.open) location.replace(next);
else if (me?.user && asked.get("because") === "denied") trouble(`You are logged in as ${me.user}, who may not see this page. Log in as somebody else, or go back.`);
