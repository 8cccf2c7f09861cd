/**
 * `<firstlight-player src="https://host/front">`: a live picture from a firstlight server, for any page.
 *
 * One ES module, nothing to build; attributes, properties, methods and events are in docs/ref/player.md. The element
 * owns what is seen (surfaces, badge, bar) and when to watch at all (attached, playing, visible); how media arrives is
 * the session's affair (players/session.js).
 */
import { readClock } from "./clock-code.js";
import { Address } from "./players/address.js";
import { DataLine } from "./players/data-line.js";
import { askServerClock, unixNow } from "./players/server-clock.js";
import { Session, discard } from "./players/session.js";
import { command, controls } from "./ui/controls.js";
import { followPictureInPicture, inPictureInPicture, openPictureInPicture } from "./ui/picture-in-picture.js";
import { css } from "./ui/player-style.js";
import { Still } from "./ui/still.js";
import { Veil } from "./ui/veil.js";

export class FirstlightPlayer extends HTMLElement {
  static observedAttributes = ["src", "transport", "muted", "controls", "audio", "stats", "data"];

  /** The tracks of the stream as far as known. @type {TrackInfo[]} */
  tracks = [];
  #tracksKnown = false;
  /** The figures of the last second, or null. @type {Stats | null} */
  stats = null;
  /** @type {PlayerState} */
  #state = "paused";
  /** @type {string | null} */
  #reason = null;
  #volume = 1;
  #paused = false;
  #blocked = false;
  /** @type {Session | null} */
  #session = null;
  /** @type {Address | null} */
  #address = null;
  /** @type {DataLine | null} */
  #line = null;
  #stage = document.createElement("div");
  #veil = new Veil(() => this.#unblock());
  #still = new Still(() => this.#refresh());
  /** @type {ReturnType<typeof controls> | null} */
  #controls = null;
  #ticker = 0;
  #sleep = 0;
  #clock = { misses: 0, offset: /** @type {number | null} */ (null), latency: /** @type {number | null} */ (null) };
  /** @type {AbortController | null} */
  #listening = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    const box = document.createElement("div");
    box.className = "stage-box";
    this.#stage.className = "stage";
    box.append(this.#still.element, this.#stage, ...this.#veil.parts);
    root.append(box);
  }

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    document.addEventListener("visibilitychange", () => this.#visibility(), { signal });
    window.addEventListener("online", () => this.#session?.networkChanged(), { signal });
    for (const gesture of ["pointerdown", "keydown"]) {
      document.addEventListener(gesture, (event) => this.#gesture(event), { signal, capture: true });
    }
    this.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.#paused = this.getAttribute("autoplay") === "off";
    this.#ticker = setInterval(() => this.#tick(), 1000);
    this.#restart();
  }

  disconnectedCallback() {
    this.#listening?.abort();
    clearInterval(this.#ticker);
    clearTimeout(this.#sleep);
    this.#stop();
    this.#hangUp();
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (name === "controls") this.#showControls(now !== null);
    if (name === "stats") this.#veil.line(null);
    if (before === now || !this.isConnected) return;
    if (name === "src" || name === "audio") this.#restart();
    else if (name === "transport") this.#session?.setTransport(this.transport);
    else if (name === "muted") this.#sound();
    else if (name === "data") now === null ? this.#hangUp() : this.#listen();
  }

  /** Starts to watch; a paused picture continues live. */
  play() {
    this.#paused = false;
    if (!this.#session) this.#start();
  }

  /** Stops watching: the connection ends and the last picture stays. */
  pause() {
    this.#paused = true;
    this.#stop();
    this.#set("paused", null);
  }

  /** Drops whatever is buffered. */
  jumpToLive() {
    this.#session?.current?.jumpToLive();
  }

  /** Says something to what is watched: anything that JSON can say. Its answers are `message` events. @param {unknown} message */
  say(message) {
    this.#listen()?.say(message);
  }

  /** The picture as it is shown now. @param {string} [type] @param {number} [quality] @returns {Promise<Blob>} */
  async snapshot(type = "image/png", quality) {
    const surface = this.#surface;
    if (!surface) throw new DOMException("there is no picture yet", "InvalidStateError");
    const video = surface instanceof HTMLVideoElement;
    const canvas = document.createElement("canvas");
    canvas.width = video ? surface.videoWidth : surface.width;
    canvas.height = video ? surface.videoHeight : surface.height;
    canvas.getContext("2d")?.drawImage(surface, 0, 0);
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new DOMException("no picture", "EncodingError"))), type, quality);
    });
  }

  /** @param {FullscreenOptions} [options] */
  async requestFullscreen(options) {
    const surface = this.#surface;
    if (typeof super.requestFullscreen === "function") await super.requestFullscreen(options);
    else if (surface instanceof HTMLVideoElement) surface.webkitEnterFullscreen?.();
  }

  async requestPictureInPicture() {
    if (inPictureInPicture(this.#surface)) return void (await document.exitPictureInPicture());
    if (this.#surface) await openPictureInPicture(this.#surface);
  }

  get state() {
    return this.#state;
  }

  /** Why it is not live, in words, or null. */
  get reason() {
    return this.#reason;
  }

  /** False once the stream is known to carry no sound. */
  get mayHaveSound() {
    return !this.#tracksKnown || this.tracks.some((t) => t.kind === "audio");
  }

  get paused() {
    return this.#paused;
  }

  /** The stream's name, from `src`. */
  get name() {
    return this.#address?.name ?? "";
  }

  get src() {
    return this.getAttribute("src") ?? "";
  }
  set src(value) {
    this.setAttribute("src", value);
  }

  /** @returns {"auto" | Transport} */
  get transport() {
    const value = this.getAttribute("transport");
    return value === "webrtc" || value === "webcodecs" || value === "mse" || value === "mjpeg" ? value : "auto";
  }
  set transport(value) {
    this.setAttribute("transport", value);
  }

  get muted() {
    return this.hasAttribute("muted");
  }
  set muted(value) {
    this.toggleAttribute("muted", value);
    if (!value && this.#blocked) this.#unblock();
  }

  /** Whether the browser keeps the sound back until the viewer touches the page. */
  get soundBlocked() {
    return this.#blocked;
  }

  /** 0 to 1. */
  get volume() {
    return this.#volume;
  }
  set volume(value) {
    this.#volume = Math.max(0, Math.min(1, value));
    this.#sound();
  }

  get #surface() {
    return /** @type {HTMLCanvasElement | HTMLVideoElement | undefined} */ (this.#stage.querySelector(".shown") ?? undefined);
  }

  #listen() {
    if (!this.#line && this.#address && this.isConnected) {
      this.#line = new DataLine(this.#address, (message) => this.#tell("message", message));
    }
    return this.#line;
  }

  #hangUp() {
    this.#line?.close();
    this.#line = null;
  }

  #restart() {
    this.#stop();
    this.#hangUp();
    for (const surface of [...this.#stage.children]) discard(surface);
    this.tracks = [];
    this.#tracksKnown = false;
    this.#address = this.src ? new Address(this.src, this.baseURI) : null;
    if (this.hasAttribute("data")) this.#listen();
    this.#clock = { misses: 0, offset: null, latency: null };
    if (this.#paused) this.#set("paused", null);
    else this.#start();
  }

  #start() {
    if (!this.#address || !this.isConnected || this.#session) return;
    this.#session = new Session(
      this.#address,
      {
        state: (state, reason) => this.#set(state, reason),
        attach: (surface) => {
          surface.className = "surface";
          this.#stage.prepend(surface);
        },
        show: ({ surface }) => {
          surface.classList.add("shown");
          for (const other of [...this.#stage.children]) if (other !== surface) discard(other);
          followPictureInPicture(surface);
        },
        tracks: (tracks, complete) => {
          this.tracks = tracks;
          this.#tracksKnown = complete;
          this.#refresh();
        },
        trouble: (message, transport) => this.#tell("error", { message, transport }),
        soundBlocked: () => {
          this.#blocked = true;
          this.#refresh();
        },
      },
      { transport: this.transport, audio: this.getAttribute("audio") !== "off", sound: { muted: this.muted, volume: this.#volume } },
    );
    this.#refresh();
    if (document.hidden) this.#visibility();
  }

  #stop() {
    this.#session?.stop();
    this.#session = null;
    this.stats = null;
  }

  #sound() {
    this.#session?.setSound(this.muted, this.#volume);
    if (this.muted) this.#blocked = false;
    this.#refresh();
    this.#tell("volumechange", null);
  }

  /** The viewer touched the page: sound may start now. What is about sound itself decides for itself. @param {Event} event */
  #gesture(event) {
    if (!this.#blocked || (event instanceof KeyboardEvent && event.key === "m")) return;
    if (!event.composedPath().some((at) => at instanceof HTMLElement && at.dataset.sound !== undefined)) this.#unblock();
  }

  #unblock() {
    this.#blocked = false;
    this.#session?.setSound(true, this.#volume);
    this.#sound();
  }

  /** A hidden tab decodes nothing; when it cannot be heard either, it stops watching after a while. */
  #visibility() {
    clearTimeout(this.#sleep);
    const hidden = document.hidden && !inPictureInPicture(this.#surface);
    if (hidden && !this.#audible) this.#sleep = setTimeout(() => this.#stop(), HIDDEN_MOST);
    if (this.#session) this.#session.setHidden(hidden);
    else if (!hidden && !this.#paused) this.#start();
  }

  get #audible() {
    return !this.muted && !this.#blocked && this.tracks.some((t) => t.kind === "audio");
  }

  /** @param {PlayerState} state @param {string | null} reason */
  #set(state, reason) {
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    if (state === "busy" && this.#address && !this.#surface) this.#still.start(this.#address.below("snapshot.jpg"));
    else if (state !== "starting") this.#still.stop();
    this.#refresh();
    this.#tell("state", { state, reason, transport: this.#session?.current?.transport ?? null });
  }

  #refresh() {
    const soundOnly = this.#tracksKnown && !this.tracks.some((t) => t.kind === "video");
    this.#stage.classList.toggle("stale", this.#state !== "live" && this.#state !== "paused");
    this.#veil.show(this.#state, this.#reason, { picture: (!!this.#surface || this.#still.shown) && !soundOnly, soundOnly, listening: !this.muted && !this.#blocked });
    this.#veil.hint(this.#blocked && this.mayHaveSound && this.#state === "live");
    this.#controls?.update();
  }

  /** @param {boolean} wanted */
  #showControls(wanted) {
    if (wanted === (this.#controls !== null)) return;
    this.#controls?.bar.remove();
    this.#controls?.close();
    this.#controls = wanted ? controls(this) : null;
    if (this.#controls) this.shadowRoot?.firstElementChild?.append(this.#controls.bar);
    if (wanted && !this.hasAttribute("tabindex")) this.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const inside = event.composedPath()[0];
    if (!this.#controls || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && inside !== this) return; // a button in the bar
    if (command(this, event.key)) event.preventDefault();
  }

  /** Once a second: the figures. */
  #tick() {
    const connection = this.#session?.current;
    if (!connection || this.#state !== "live") return;
    const figures = connection.figures();
    const { latency } = this.#clock;
    const codec = (/** @type {string} */ kind) => this.tracks.find((t) => t.kind === kind)?.codec ?? null;
    this.stats = {
      transport: connection.transport,
      videoCodec: codec("video"),
      audioCodec: codec("audio"),
      width: figures.width,
      height: figures.height,
      fps: figures.frames,
      dropped: figures.dropped,
      bitrate: figures.bytes * 8,
      latency: latency ?? figures.latency,
      latencyFrom: latency !== null ? "picture" : figures.latency !== null ? "capture" : null,
      buffered: figures.buffered,
      lag: figures.lag,
      rtt: figures.rtt,
      sync: figures.sync,
      level: figures.level,
    };
    this.#veil.level(figures.level);
    if (this.hasAttribute("stats")) {
      if (this.getAttribute("stats") !== "quiet") this.#veil.line(this.stats);
      this.#readPicture(connection, figures.clock.offset);
    }
    this.#tell("stats", this.stats);
  }

  /** Looks for the test picture's clock; gives up after five pictures without one. @param {Connection} connection @param {number | null} offset */
  #readPicture(connection, offset) {
    const clock = this.#clock;
    if (clock.misses >= 5 || !this.#address) return;
    connection.nextPicture(() => {
      const { surface } = connection;
      const [width, height] = surface instanceof HTMLVideoElement ? [surface.videoWidth, surface.videoHeight] : [surface.width, surface.height];
      const painted = readClock(surface, width, height);
      clock.misses = painted === null ? clock.misses + 1 : 0;
      if (painted !== null && offset === null && clock.offset === null && this.#address) {
        clock.offset = 0;
        askServerClock(this.#address).then((found) => (clock.offset = found ?? 0));
      }
      clock.latency = painted === null ? null : unixNow() + (offset ?? clock.offset ?? 0) - painted;
    });
  }

  /** @param {string} name @param {unknown} detail */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

const HIDDEN_MOST = 5000;

if (!customElements.get("firstlight-player")) customElements.define("firstlight-player", FirstlightPlayer);
