/**
 * One camera on the wall: a link to its page, with a live muted picture while it is on screen and has a place.
 *
 * Which tiles may be live is the wall's decision (`setLive`); a tile that loses its place keeps its last picture.
 */
import { icon } from "./icons.js";

export class Tile {
  element = document.createElement("a");
  name;
  onScreen = false;
  /** Moment (ms) somebody last pointed at it: such a tile is live before others. */
  wanted = 0;
  #player = /** @type {import("../firstlight-player.js").FirstlightPlayer} */ (document.createElement("firstlight-player"));
  #soundOnly = false;
  #allowed = false;
  #play = document.createElement("button");
  #title = document.createElement("h2");
  #state = document.createElement("span");
  #figures = document.createElement("div");

  /** @param {string} name @param {() => void} changed somebody wants it live */
  constructor(name, changed) {
    this.name = name;
    const path = "/" + name.split("/").map(encodeURIComponent).join("/") + "/";
    this.element.className = "tile";
    this.element.href = path + location.search;
    this.#title.textContent = this.#title.title = name;
    this.#state.className = "state";
    this.#figures.className = "figures";
    this.#play.className = "play";
    this.#play.ariaLabel = `Show ${name} live`;
    this.#play.append(icon("play"));
    for (const [key, value] of Object.entries({ autoplay: "off", muted: "", audio: "off", "aria-label": `${name}, live` })) {
      this.#player.setAttribute(key, value);
    }
    this.#player.src = this.element.href;
    const view = document.createElement("div");
    view.className = "view";
    view.append(this.#player, this.#play);
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
    if (live && this.#player.paused) this.#player.play();
    else if (!live && !this.#player.paused) this.#player.pause();
  }

  /** @param {StreamInfo} stream */
  update({ state, reason, viewers, bitrate, fps, tracks }) {
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
}

/** @type {Record<string, string>} */
const WORDS = { idle: "Idle", starting: "Starting", live: "Live", reconnecting: "Reconnecting", waiting: "Waiting", off: "Off" };
