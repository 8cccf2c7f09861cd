/**
 * One camera on the wall: a link to its page, with a live muted picture while it is on screen and has a place.
 *
 * Which tiles may be live is the wall's decision (`setLive`); a tile that loses its place keeps its last picture, and one that never had one shows a
 * still, renewed now and then while the camera is on for others.
 */
import { icon } from "./icons.js";

export class Tile {
  element = document.createElement("a");
  name;
  onScreen = false;
  /** Moment (ms) somebody last pointed at it: such a tile is live before others. */
  wanted = 0;
  /** What showing it live costs the browser: see `preview.js`. */
  weight = 0;
  #player = /** @type {import("../firstlight-player.js").FirstlightPlayer} */ (document.createElement("firstlight-player"));
  #soundOnly = false;
  #allowed = false;
  #play = document.createElement("button");
  #still = document.createElement("img");
  /** Moment (ms) the still was asked for; 0: never. */
  #stillAt = 0;
  #path;
  #title = document.createElement("h2");
  #state = document.createElement("span");
  #figures = document.createElement("div");
  #more = document.createElement("button");
  /** @type {StreamInfo | null} */
  #stream = null;

  /**
   * @param {string} name @param {string} shown the stream that is shown for it @param {() => void} changed somebody wants it live
   * @param {(stream: StreamInfo) => void} change somebody wants to change it
   */
  constructor(name, shown, changed, change) {
    this.name = name;
    this.#path = pathOf(shown);
    this.element.className = "tile";
    this.element.href = pathOf(name) + location.search;
    this.#title.textContent = this.#title.title = name;
    this.#state.className = "state";
    this.#figures.className = "figures";
    this.#play.className = "play";
    this.#play.ariaLabel = `Show ${name} live`;
    this.#play.append(icon("play"));
    for (const [key, value] of Object.entries({ autoplay: "off", muted: "", audio: "off", "aria-label": `${name}, live` })) {
      this.#player.setAttribute(key, value);
    }
    this.#player.src = this.#path + location.search;
    this.#still.className = "still";
    this.#still.alt = "";
    this.#still.hidden = true;
    this.#still.onload = () => (this.#still.hidden = !this.#player.paused);
    const view = document.createElement("div");
    view.className = "view";
    this.#more.className = "more";
    this.#more.type = "button";
    this.#more.ariaLabel = this.#more.title = `Rename or remove ${name}`;
    this.#more.textContent = "⋯";
    this.#more.hidden = true;
    this.#more.onclick = (event) => {
      event.preventDefault();
      if (this.#stream) change(this.#stream);
    };
    view.append(this.#player, this.#still, this.#play, this.#more);
    const about = document.createElement("div");
    about.className = "about";
    about.append(this.#title, this.#state, this.#figures);
    this.element.append(view, about);
    const want = () => {
      this.wanted = performance.now();
      changed();
    };
    this.element.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && want());
    this.#play.onclick = (event) => {
      event.preventDefault();
      want();
    };
  }

  /** @param {boolean} live */
  setLive(live) {
    this.#allowed = live;
    live &&= !this.#soundOnly;
    this.#play.hidden = live || this.#soundOnly;
    if (live && this.#player.paused) {
      this.#still.hidden = true;
      this.#player.play();
    } else if (!live && !this.#player.paused) this.#player.pause();
  }

  /** @param {StreamInfo} stream */
  update(stream) {
    const { state, reason, viewers, bitrate, fps, tracks } = stream;
    this.#stream = stream;
    this.#more.hidden = !stream.changeable;
    this.#look(state);
    this.#state.dataset.state = state;
    this.#state.textContent = WORDS[state] ?? state;
    const video = tracks.find((t) => t.kind === "video");
    if (tracks.length > 0 && this.#soundOnly !== !video) {
      this.#soundOnly = !video;
      this.element.classList.toggle("sound-only", !video);
      this.setLive(this.#allowed);
    }
    const parts = [
      viewers ? `${viewers} ${viewers === 1 ? "viewer" : "viewers"}` : "",
      bitrate ? (bitrate < 1e6 ? `${Math.round(bitrate / 1e3)} kbit/s` : `${(bitrate / 1e6).toFixed(1)} Mbit/s`) : "",
      video?.width ? `${video.width}×${video.height}` : "",
      video && fps ? `${Math.round(fps)} fps` : "",
      video?.codec_name ?? tracks[0]?.codec_name ?? "",
    ];
    const words = reason && state !== "live" ? reason : parts.filter(Boolean).join(" · ");
    if (this.#figures.textContent !== words) this.#figures.textContent = words;
    this.#figures.classList.toggle("reason", reason !== null && state !== "live");
  }

  /** Renews the still of a tile that is on screen and not live; a camera that nobody watches is started for the first one only. @param {string} state */
  #look(state) {
    const now = performance.now();
    const due = this.#stillAt === 0 ? ["idle", "live"].includes(state) : state === "live" && now - this.#stillAt > STILL_EVERY;
    if (!due || !this.onScreen || this.#soundOnly || !this.#player.paused) return;
    this.#stillAt = now;
    const query = new URLSearchParams(location.search);
    query.set("width", "480");
    query.set("t", String(Math.round(now)));
    this.#still.src = `${this.#path}snapshot.jpg?${query}`;
  }
}

/** @param {string} name */
const pathOf = (name) => "/" + name.split("/").map(encodeURIComponent).join("/") + "/";

const STILL_EVERY = 5000;
/** @type {Record<string, string>} */
const WORDS = { idle: "Idle", starting: "Starting", live: "Live", reconnecting: "Reconnecting", waiting: "Waiting", off: "Off" };
