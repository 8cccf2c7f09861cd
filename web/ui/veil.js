/**
 * What lies over the picture and says how things are: a message where there is no picture yet, a small badge over the
 * last picture while reconnecting, the hint that sound needs a touch, one line of figures.
 */
export class Veil {
  #message = part("veil", "status");
  #badge = part("badge", "status");
  #hint = document.createElement("button");
  #line = part("line");
  #level = document.createElement("i");

  /** @param {() => void} unblock */
  constructor(unblock) {
    this.#hint.className = "hint";
    this.#hint.textContent = "Tap for sound";
    this.#hint.onclick = unblock;
    this.#hint.dataset.sound = "";
    this.#hint.hidden = true;
  }

  get parts() {
    return [this.#message, this.#badge, this.#line, this.#hint];
  }

  /**
   * @param {PlayerState} state @param {string | null} reason
   * @param {{ picture: boolean, soundOnly: boolean, listening: boolean }} now `picture`: there is one, if only a still
   */
  show(state, reason, { picture, soundOnly, listening }) {
    const key = JSON.stringify([state, reason, picture, soundOnly, listening]);
    if (key === this.#message.dataset.key) return;
    this.#message.dataset.key = key;
    const well = state === "live" || state === "paused";
    this.#badge.hidden = well || !picture;
    this.#message.hidden = picture || (state === "live" && !soundOnly);
    this.#message.classList.toggle("busy", BUSY.has(state));
    const silent = soundOnly && state === "live";
    const title = silent ? "Sound only" : TITLES[state];
    const words = silent ? (listening ? "This stream has no picture." : "This stream has no picture. Turn the sound on to listen.") : reason;
    const why = text("span", words ?? "");
    why.setAttribute("part", "reason");
    this.#badge.replaceChildren(text("b", TITLES[state]), why.cloneNode(true));
    const meter = document.createElement("div");
    meter.className = "level";
    meter.append(this.#level);
    const sun = document.createElement("div");
    sun.className = "sun";
    this.#message.replaceChildren(silent ? meter : sun, text("strong", title), why);
  }

  /** @param {boolean} visible */
  hint(visible) {
    this.#hint.hidden = !visible;
  }

  /** @param {number | null} level root mean square, 0…1 */
  level(level) {
    const shown = level ? Math.max(0, 1 + Math.log10(level) / 2.5) : 0;
    this.#level.style.transform = `scaleX(${Math.min(1, shown).toFixed(3)})`;
  }

  /** @param {Stats | null} stats */
  line(stats) {
    this.#line.hidden = stats === null;
    if (!stats) return;
    const parts = [
      stats.transport,
      stats.width ? `${stats.width}×${stats.height}` : "",
      `${stats.fps} fps`,
      `${(stats.bitrate / 1e6).toFixed(1)} Mbit/s`,
      stats.latency === null ? "" : `${Math.round(stats.latency)} ms`,
    ];
    this.#line.textContent = parts.filter(Boolean).join("  ");
  }
}

/** @param {string} name @param {string} [role] */
function part(name, role) {
  const made = document.createElement("div");
  made.className = name;
  made.hidden = true;
  made.setAttribute("part", name);
  if (role) made.setAttribute("role", role);
  return made;
}

/** @param {string} tag @param {string} words */
function text(tag, words) {
  const made = document.createElement(tag);
  made.textContent = words;
  return made;
}

const BUSY = new Set(["starting", "waiting", "reconnecting", "busy"]);

/** @type {Record<PlayerState, string>} */
const TITLES = {
  paused: "Paused",
  starting: "Starting",
  waiting: "Waiting for a publisher",
  live: "Live",
  reconnecting: "Reconnecting",
  busy: "No room just now",
  off: "Switched off",
  missing: "No such stream",
  denied: "Log in to watch",
  foreign: "This page may not show it",
  unsupported: "This browser cannot play it",
};
