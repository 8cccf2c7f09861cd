/**
 * The check page: whether WebRTC gets through from this browser to this server, which way, and why another did not.
 *
 * Each address that the server tells is tried by itself, with a connection that carries one message there and back. What the server says of
 * the sessions there are stands below.
 */
import { Address } from "./players/address.js";
import { attempt, verdict } from "./players/ways.js";
import { goToLogin, hideToken } from "./ui/who.js";

/** @typedef {import("./players/ways.js").Candidate} Candidate */
/** @typedef {import("./players/ways.js").Outcome} Outcome */
/** @typedef {{ address: string, transport: string, state: string, why: string, from?: string[] }} Tried */
/** @typedef {{ stream: string, publishes: boolean, connected: boolean, age_s: number, candidates: Tried[], round_trip_ms: number | null, lost: number | null, limit: number | null, left_out: number | null }} Session */

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const again = /** @type {HTMLButtonElement} */ (byId("again"));
await hideToken();
const address = new Address(location.pathname.replace(/\/check$/, "/") + location.search, location.href);
const url = address.api("webrtc/check");

document.title = `WebRTC check of ${address.name} · firstlight`;
/** @type {HTMLAnchorElement} */ (byId("watch")).href = address.page;

/** Tries everything once. */
async function check() {
  again.disabled = true;
  say("Looking for a way…", "", "starting");
  byId("ways").replaceChildren();
  const told = await ask();
  if (told) await tryAll(told.candidates);
  again.disabled = false;
}

/** @returns {Promise<{ candidates: Candidate[], sessions: Session[] } | null>} */
async function ask() {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => null);
  if (answer?.status === 401) goToLogin();
  const told = answer?.ok ? await answer.json() : null;
  if (!told) {
    const why = answer ? `It answers ${answer.status}.` : "It does not answer.";
    say("The server does not say where it is", why, "bad");
    return null;
  }
  sessions(told.sessions);
  return told;
}

/** @param {Candidate[]} candidates */
async function tryAll(candidates) {
  byId("no-ways").hidden = candidates.length > 0;
  byId("no-ways").textContent = "The server tells none: WebRTC is off.";
  const rows = candidates.map((candidate) => row(candidate));
  byId("ways").replaceChildren(...rows.map(({ element }) => element));
  if (typeof RTCPeerConnection !== "function") {
    return say("This browser has no WebRTC", "Pictures come by WebSocket, as they do wherever WebRTC does not get through.", "bad");
  }
  /** @type {Outcome[]} */
  const outcomes = candidates.map(() => ({ state: "trying" }));
  const waiting = candidates.map((candidate, at) => ({ candidate, at }));
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { candidate, at } = next;
      outcomes[at] = await attempt(offer, candidate);
      rows[at].show(outcomes[at]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const found = verdict(candidates, outcomes);
  say(found.words, found.advice, found.look);
}

/** Sends an offer, and gives the answer. @param {string} sdp */
async function offer(sdp) {
  const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: sdp, signal: AbortSignal.timeout(5000) });
  const text = await answer.text();
  if (answer.status === 201) return text;
  throw new Error(problem(text) ?? `the server answers ${answer.status}`);
}

/** @param {string} text @returns {string | null} */
function problem(text) {
  try {
    return JSON.parse(text).detail ?? null;
  } catch {
    return null;
  }
}

/** @param {string} words @param {string} advice @param {string} look */
function say(words, advice, look) {
  byId("verdict").textContent = words;
  byId("verdict").dataset.look = look;
  byId("advice").textContent = advice;
}

/** One address of the server's. @param {Candidate} candidate */
function row(candidate) {
  const element = document.createElement("li");
  const name = element.appendChild(document.createElement("span"));
  name.className = "num";
  name.textContent = `${candidate.transport.toUpperCase()} ${candidate.address}`;
  if (candidate.kind === "public") name.title = "The address that a router has, as the configuration says";
  const state = element.appendChild(document.createElement("span"));
  state.className = "state";
  /** @param {Outcome} outcome */
  const show = (outcome) => {
    state.textContent =
      outcome.state === "works" ? `works, ${ms(outcome.roundTrip)} there and back` : outcome.state === "trying" ? "trying" : `failed: ${outcome.why}`;
    state.dataset.state = outcome.state === "works" ? "live" : outcome.state === "trying" ? "starting" : "failed";
  };
  show({ state: "trying" });
  return { element, show };
}

/** @param {number | undefined} value */
const ms = (value) => (value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);

/** What is played and sent by WebRTC here. */
function browser() {
  /** @param {"video" | "audio"} kind */
  const formats = (kind) => {
    const codecs = globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs ?? [];
    const names = codecs.map(({ mimeType }) => mimeType.split("/")[1]).filter((name) => !/^(rtx|red|ulpfec|flexfec.*|cn|telephone-event)$/i.test(name));
    return [...new Set(names)].join(", ") || "none";
  };
  facts(byId("browser"), { "Pictures by WebRTC": formats("video"), "Sound by WebRTC": formats("audio") });
}

/** @param {Session[]} all */
function sessions(all) {
  const own = all.filter(({ stream }) => stream === address.name);
  byId("sessions").hidden = own.length === 0;
  // What is there stays: it may be open, or have the focus.
  const list = byId("list");
  while (list.children.length > own.length) list.lastElementChild?.remove();
  while (list.children.length < own.length) list.append(empty());
  own.forEach((session, at) => fill(list.children[at], session));
}

function empty() {
  const element = document.createElement("details");
  element.appendChild(document.createElement("summary"));
  element.appendChild(document.createElement("dl")).className = "facts-list";
  return element;
}

/** @param {Element} element @param {Session} session */
function fill(element, session) {
  const [summary, list] = element.children;
  const used = session.candidates.find(({ state }) => state === "used");
  const way = used ? `${used.transport.toUpperCase()}, to ${used.address}` : session.connected ? "connected" : "no connection yet";
  summary.textContent = `${session.publishes ? "Publishes" : "Watches"} for ${since(session.age_s)}: ${way}`;
  list.replaceChildren();
  facts(list, {
    "Round trip": session.round_trip_ms === null ? null : ms(session.round_trip_ms),
    Lost: session.lost === null ? null : `${(session.lost * 100).toFixed(1)} %`,
    "Link carries": session.limit ? `${(session.limit / 1e6).toFixed(2)} Mbit/s, less than the stream has` : null,
    "Pictures left out": session.left_out ? String(session.left_out) : null,
    ...Object.fromEntries(session.candidates.map(({ address, transport, why }) => [`${transport.toUpperCase()} ${address}`, why])),
  });
}

/** @param {number} seconds */
const since = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);

/** @param {Element} list @param {Record<string, string | null>} values */
function facts(list, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === null) continue;
    list.appendChild(document.createElement("dt")).textContent = name;
    list.appendChild(document.createElement("dd")).textContent = value;
  }
}

/** A page may not have many connections that look for a way. */
const AT_ONCE = 6;

again.onclick = () => check();
setInterval(async () => {
  if (!again.disabled && !document.hidden) await ask();
}, 5000);
browser();
await check();
