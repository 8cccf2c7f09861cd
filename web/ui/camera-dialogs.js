/**
 * The wall's dialogs: add a camera by its address, give one another name, remove one.
 *
 * What is typed is judged by the server while it is typed, with the words it would refuse it with. Nothing is decided here: a dialog
 * closes when the server has done what was asked.
 */

/** @typedef {{ key: string, message: string }} WrongKey */
/** @typedef {{ detail: string, errors?: WrongKey[] }} Problem */

const JUDGE_AFTER_MS = 250;

/** @param {() => string[]} names the cameras there are @param {() => void} done something was changed */
export function cameraDialogs(names, done) {
  return {
    /** @param {boolean} kept whether cameras that are added are there after a restart */
    add: (kept) => add(names(), kept, done),
    /** @param {StreamInfo} stream */
    change: (stream) => change(stream, done),
  };
}

/** @param {string[]} names @param {boolean} kept @param {() => void} done */
function add(names, kept, done) {
  const { dialog, form, fields, say, busy } = frame("Add a camera");
  const address = field("Address", "source", "tcp://192.168.1.20:8000");
  address.input.inputMode = "url";
  const name = field("Name", "name", "front");
  const hint = small("tcp://HOST:PORT for a camera that listens, tcp-listen://:PORT for one that connects, udp://:PORT, or test.");
  fields.append(address.row, hint, name.row);
  if (!kept) fields.append(small("This server keeps no file of cameras: it forgets the camera when it ends."));
  const submit = actions(form, dialog, "Add");
  let chosen = false;
  name.input.addEventListener("input", () => (chosen = true));
  const body = () => ({ source: address.input.value.trim(), name: name.input.value.trim() });
  const judge = debounced(async () => {
    const problem = body().source === "" ? null : await ask("POST", "streams", body(), { check: "true" });
    if (busy()) return;
    address.say(wrong(problem, "source"));
    name.say(wrong(problem, "name"));
    say(problem && !wrong(problem, "source") && !wrong(problem, "name") ? problem.detail : "");
    submit.disabled = body().source === "" || problem !== null;
  });
  form.addEventListener("input", () => {
    if (!chosen) name.input.value = suggested(address.input.value, names);
    judge();
  });
  submit.disabled = true;
  send(form, dialog, submit, say, done, () => ask("POST", "streams", body()));
  dialog.showModal();
}

/** @param {StreamInfo} stream @param {() => void} done */
function change(stream, done) {
  const { dialog, form, fields, say } = frame(stream.name);
  const name = field("Name", "name", "front");
  name.input.value = stream.name;
  const remove = button("Remove camera", "danger");
  fields.append(name.row, small(watching(stream, "is shown under the new name, and those who watch it now have to open it again.")));
  const submit = actions(form, dialog, "Rename", remove);
  submit.disabled = true;
  name.input.addEventListener("input", () => {
    name.say("");
    say("");
    submit.disabled = name.input.value.trim() === stream.name || name.input.value.trim() === "";
  });
  remove.onclick = () => {
    dialog.close();
    // At once: its event comes later, and there must never be two.
    dialog.remove();
    confirmRemoval(stream, done);
  };
  send(form, dialog, submit, say, done, async () => {
    const problem = await ask("PATCH", path(stream), { name: name.input.value.trim() });
    name.say(wrong(problem, "name"));
    return problem;
  });
  dialog.showModal();
  name.input.select();
}

/** @param {StreamInfo} stream @param {() => void} done */
function confirmRemoval(stream, done) {
  const { dialog, form, fields, say } = frame(`Remove ${stream.name}?`);
  fields.append(small(watching(stream, "goes for everybody. It can be added again by its address.")));
  const submit = actions(form, dialog, "Remove");
  submit.classList.add("danger");
  send(form, dialog, submit, say, done, () => ask("DELETE", path(stream)));
  dialog.showModal();
  // Enter must not remove anything by accident.
  /** @type {HTMLElement} */ (form.querySelector("[data-cancel]")).focus();
}

/** @param {StreamInfo} stream @param {string} what */
function watching({ viewers }, what) {
  return `The camera ${what}` + (viewers > 0 ? ` ${viewers === 1 ? "One viewer watches" : `${viewers} viewers watch`} it now.` : "");
}

/** An empty dialog with a form. @param {string} title */
function frame(title) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  const form = document.createElement("form");
  form.noValidate = true;
  const heading = document.createElement("h2");
  heading.textContent = title;
  heading.id = "dialog-title";
  dialog.setAttribute("aria-labelledby", heading.id);
  const fields = document.createElement("div");
  fields.className = "dialog-fields";
  const trouble = document.createElement("p");
  trouble.className = "trouble";
  trouble.role = "alert";
  form.append(heading, fields, trouble);
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  const say = (/** @type {string} */ words) => (trouble.textContent = words);
  return { dialog, form, fields, say, busy: () => form.dataset.busy === "yes" };
}

/** @param {string} label @param {string} key @param {string} example */
function field(label, key, example) {
  const row = document.createElement("label");
  row.className = "dialog-field";
  const input = document.createElement("input");
  input.className = "field";
  input.name = key;
  input.placeholder = example;
  input.autocomplete = "off";
  input.autocapitalize = "off";
  input.spellcheck = false;
  const trouble = document.createElement("span");
  trouble.className = "trouble";
  trouble.id = `trouble-${key}`;
  trouble.role = "status";
  input.setAttribute("aria-describedby", trouble.id);
  row.append(label, input, trouble);
  const say = (/** @type {string} */ words) => {
    trouble.textContent = words;
    input.ariaInvalid = String(words !== "");
  };
  return { row, input, say };
}

/** @param {HTMLFormElement} form @param {HTMLDialogElement} dialog @param {string} verb @param {HTMLElement} [other] */
function actions(form, dialog, verb, other) {
  const row = document.createElement("div");
  row.className = "dialog-actions";
  const cancel = button("Cancel");
  cancel.dataset.cancel = "";
  cancel.onclick = () => dialog.close();
  const submit = button(verb, "primary");
  submit.type = "submit";
  if (other) row.append(other);
  row.append(cancel, submit);
  form.append(row);
  return submit;
}

/** @param {string} words @param {string} [kind] */
function button(words, kind) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = kind ? `button ${kind}` : "button";
  made.textContent = words;
  return made;
}

/** @param {string} words */
function small(words) {
  const line = document.createElement("p");
  line.className = "small";
  line.textContent = words;
  return line;
}

/**
 * @param {HTMLFormElement} form @param {HTMLDialogElement} dialog @param {HTMLButtonElement} submit @param {(words: string) => void} say
 * @param {() => void} done @param {() => Promise<Problem | null>} act
 */
function send(form, dialog, submit, say, done, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.busy === "yes" || submit.disabled) return;
    form.dataset.busy = "yes";
    submit.disabled = true;
    const problem = await act();
    form.dataset.busy = "no";
    submit.disabled = false;
    if (problem) {
      say(problem.detail);
      return;
    }
    dialog.close();
    dialog.remove();
    done();
  });
}

/** @param {Problem | null} problem @param {string} key */
function wrong(problem, key) {
  const errors = problem?.errors ?? [];
  return errors.find((error) => error.key === key || error.key.startsWith(key + "."))?.message ?? "";
}

/** @param {StreamInfo} stream */
const path = ({ name }) => "streams/" + name.split("/").map(encodeURIComponent).join("/");

/**
 * Asks the server to do something; what it refuses, or null.
 *
 * @param {string} method @param {string} path @param {object} [body] @param {Record<string, string>} [query]
 * @returns {Promise<Problem | null>}
 */
async function ask(method, path, body, query = {}) {
  const search = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(query)) search.set(key, value);
  const url = `/api/v1/${path}${search.size > 0 ? `?${search}` : ""}`;
  /** @type {RequestInit} */
  const init = { method, signal: AbortSignal.timeout(10_000) };
  if (body) Object.assign(init, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  try {
    const response = await fetch(url, init);
    if (response.ok) return null;
    const problem = await response.json().catch(() => null);
    return typeof problem?.detail === "string" ? problem : { detail: `The server refuses: ${response.status} ${response.statusText}` };
  } catch {
    return { detail: "The server does not answer." };
  }
}

/** A name for a camera at this address that no other has. @param {string} address @param {string[]} taken */
function suggested(address, taken) {
  const host = /^[a-z-]+:\/\/(?:[^@/]*@)?\[?([A-Za-z0-9._-]*)/.exec(address.trim())?.[1] ?? "";
  const word = address.trim() === "" ? "" : /^[0-9.]*$/.test(host) ? "cam" : (host.split(".")[0] ?? "cam");
  const base = address.trim().startsWith("test") ? "test" : word;
  for (let number = 1; base !== ""; number++) {
    const name = number === 1 ? base : `${base}${number}`;
    if (!taken.includes(name)) return name;
  }
  return "";
}

/** @param {() => void} act */
function debounced(act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, JUDGE_AFTER_MS);
  };
}
