/**
 * One stream being watched: which transport, when to try again, what to tell the viewer.
 *
 * At most two connections exist: the *current* one, whose picture is shown, and the *next*, which works behind it and
 * takes its place with its first picture. So a reconnect, a change of transport and the way back from a fallback are
 * one and the same thing, and the last picture stays until there is a better one.
 *
 * The first picture comes by the transport that is there soonest, and the preferred one takes over behind it: WebRTC needs several
 * round trips, and time to find that there is no way, where a WebSocket shows something at once. A transport that failed by its own fault
 * is passed over for a while and then tried again behind the running one: a fallback is never for good. Not here: elements and attributes (firstlight-player.js).
 */
import { MjpegConnection, mjpegAvailable } from "./mjpeg.js";
import { MseConnection, mseAvailable } from "./mse.js";
import { askServer } from "./server-info.js";
import { WebCodecsConnection, webcodecsAvailable } from "./webcodecs.js";
import { WebRtcConnection, webrtcAvailable } from "./webrtc.js";

/**
 * @typedef {object} View what the session tells the element
 * @property {(state: PlayerState, reason: string | null) => void} state
 * @property {(connection: Connection, previous: Connection | null) => void} show
 * @property {(surface: HTMLElement) => void} attach
 * @property {(tracks: TrackInfo[], complete: boolean) => void} tracks `complete`: no track was left out of what is sent
 * @property {(message: string, transport: Transport) => void} trouble
 * @property {() => void} soundBlocked
 */

export class Session {
  /** @type {Connection | null} */
  current = null;
  /** @type {Connection | null} */
  #next = null;
  /** @type {Connection | null} the current connection once it has failed: only its picture is left */
  #broken = null;
  #address;
  #view;
  #audio;
  /** @type {"auto" | Transport} */
  #wanted;
  /** @type {Map<Transport, { until: number, wait: number, kind: string, message: string }>} */
  #avoided = new Map();
  #sound;
  /** The stream is known to have no picture. */
  #soundOnly = false;
  /** Whether the last connection was made with a sound track. */
  #withSound = false;
  /** The server has turned this viewer away because it is full. */
  #busy = false;
  #hidden = false;
  #stopped = false;
  #attempts = 0;
  #retry = 0;
  #lastMedia = 0;
  /** The longest pause between messages lately: some cameras send a picture every few seconds. */
  #usualGap = 0;
  #lastShown = 0;
  /** Moment the next connection received its first media, or 0. */
  #started = 0;
  #watch;

  /**
   * @param {import("./address.js").Address} address @param {View} view
   * @param {{ transport: "auto" | Transport, audio: boolean, sound: { muted: boolean, volume: number } }} options
   */
  constructor(address, view, { transport, audio, sound }) {
    this.#sound = sound;
    this.#address = address;
    this.#view = view;
    this.#audio = audio;
    this.#wanted = transport;
    this.#view.state("starting", null);
    this.#connect();
    this.#watch = setInterval(() => this.#look(), 1000);
  }

  /** Ends everything; the surface of the last picture stays where it is. */
  stop() {
    this.#stopped = true;
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    this.#drop();
    this.current?.close();
  }

  /** @param {"auto" | Transport} transport */
  setTransport(transport) {
    if (transport === this.#wanted) return;
    this.#wanted = transport;
    this.#avoided.clear();
    this.retryNow();
  }

  /** @param {boolean} muted @param {number} volume */
  setSound(muted, volume) {
    this.#sound = { muted, volume };
    this.current?.setSound(muted, volume);
    const made = this.#next ?? this.current;
    if (made && PAYS_FOR_SOUND.has(made.transport) && this.#wantsSound(made.transport) !== this.#withSound) this.retryNow();
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    this.#hidden = hidden;
    this.current?.setHidden(hidden);
    this.#lastMedia = performance.now();
    // A new connection begins at the last random access point; the one that stopped decoding would have to wait for the next.
    if (!hidden && (!this.#alive || this.current?.transport === "webcodecs")) this.retryNow();
  }

  /** The network is another one: what found no way through the last may find one now. */
  networkChanged() {
    this.#avoided.delete("webrtc");
    this.retryNow();
  }

  /** Tries at once: the page is visible, or the viewer asked. */
  retryNow() {
    this.#attempts = 0;
    this.#drop();
    if (!this.#stopped) this.#connect();
  }

  /** Whether media has been missing for longer than this stream's pauses explain. */
  get #silent() {
    return performance.now() - this.#lastMedia > Math.max(SILENCE, this.#usualGap * 2);
  }

  /** Whether media has been missing for so long that the connection is to blame if the stream is not. By UDP nothing is on its way any more. */
  get #deaf() {
    const byDatagrams = (this.#next ?? this.current)?.transport === "webrtc";
    return this.#silent && (byDatagrams || performance.now() - this.#lastMedia > SILENCE_MOST);
  }

  get #alive() {
    return this.current !== null && this.#broken !== this.current;
  }

  #connect() {
    clearTimeout(this.#retry);
    const transport = this.#choose();
    if (!transport && this.#alive) return this.#view.trouble(this.#noWay(), /** @type {Transport} */ (this.#wanted));
    if (!transport) return this.#view.state("unsupported", this.#noWay());
    const Kind = { webrtc: WebRtcConnection, webcodecs: WebCodecsConnection, mse: MseConnection, mjpeg: MjpegConnection }[transport];
    this.#lastMedia = performance.now();
    this.#started = 0;
    this.#withSound = this.#wantsSound(transport);
    /** @type {Connection} */
    const connection = new Kind(
      this.#address,
      {
        shown: () => this.#shown(connection),
        tracks: (tracks) => this.#view.tracks(tracks, !PAYS_FOR_SOUND.has(connection.transport) || this.#withSound),
        media: () => this.#media(connection),
        failed: (failure) => this.#failed(connection, failure),
        soundBlocked: () => this.#view.soundBlocked(),
        outgrown: () => this.retryNow(),
      },
      { audio: this.#withSound },
    );
    this.#next = connection;
    connection.setHidden(this.#hidden);
    if (!this.#alive) connection.setSound(this.#sound.muted, this.#sound.volume);
    this.#view.attach(connection.surface);
  }

  /** Without a sound track where it costs something even when muted. @param {Transport} transport */
  #wantsSound(transport) {
    if (transport === "mjpeg") return false;
    return this.#audio && (!PAYS_FOR_SOUND.has(transport) || !this.#sound.muted || this.#soundOnly);
  }

  /** The first transport not avoided; the one avoided the shortest if all are. @returns {Transport | null} */
  #choose() {
    const now = performance.now();
    const able = this.#alive ? this.#able() : this.#able().sort((a, b) => Number(SLOW_TO_START.has(a)) - Number(SLOW_TO_START.has(b)));
    if (able.some((t) => this.#avoided.get(t)?.kind !== "unsupported" || this.#until(t) <= now)) {
      return [...able].sort((a, b) => Math.max(0, this.#until(a) - now) - Math.max(0, this.#until(b) - now))[0];
    }
    return null;
  }

  /** What may be taken here, the best first. @returns {Transport[]} */
  #able() {
    /** @type {Transport[]} */
    const able = [];
    const wanted = (/** @type {Transport} */ transport) => this.#wanted === "auto" || this.#wanted === transport;
    if (wanted("webrtc") && webrtcAvailable()) able.push("webrtc");
    if (wanted("webcodecs") && webcodecsAvailable()) able.push("webcodecs");
    if (wanted("mse") && mseAvailable()) able.push("mse");
    if (wanted("mjpeg") && mjpegAvailable()) able.push("mjpeg");
    return able;
  }

  /** @param {Transport} transport */
  #until(transport) {
    return this.#avoided.get(transport)?.until ?? 0;
  }

  #noWay() {
    this.#retry = setTimeout(() => this.#connect(), UNSUPPORTED_WAIT);
    const reasons = [...this.#avoided].map(([transport, { message }]) => `${NAMES[transport]} ${message}`);
    if (this.#wanted === "webcodecs" && !webcodecsAvailable()) return "WebCodecs needs https (or localhost) and a recent browser";
    return reasons.join("; ") || "this browser has neither WebRTC nor WebCodecs nor Media Source Extensions";
  }

  /** @param {Connection} connection */
  #media(connection) {
    const now = performance.now();
    this.#usualGap = Math.max(Math.min(now - this.#lastMedia, 15_000), this.#usualGap * 0.95);
    this.#lastMedia = now;
    if (connection === this.#next) this.#started ||= this.#lastMedia;
  }

  /** @param {Connection} connection */
  #shown(connection) {
    if (this.#next !== connection) return;
    const previous = this.current;
    this.#next = null;
    this.#broken = null;
    this.#attempts = 0;
    this.current = connection;
    this.#lastShown = performance.now();
    previous?.close();
    connection.setSound(this.#sound.muted, this.#sound.volume);
    this.#view.show(connection, previous);
    this.#view.state("live", null);
    const preferred = this.#able()[0];
    const back = this.#until(preferred) - performance.now();
    if (preferred !== connection.transport) this.#retry = setTimeout(() => !this.#hidden && this.#connect(), Math.max(back, 1000));
  }

  /** @param {Connection} connection @param {Failure} failure */
  #failed(connection, failure) {
    if (this.#stopped) return;
    const challenged = connection === this.#next && this.#alive;
    if (connection === this.current) this.#broken = connection;
    if (connection === this.#next) this.#drop();
    if (challenged || failure.kind === "unsupported" || failure.kind === "decode") this.#avoid(connection.transport, failure);
    if (challenged) {
      const wait = Math.max(this.#until(connection.transport) - performance.now(), LATER);
      this.#retry = setTimeout(() => this.#connect(), wait);
      return;
    }
    if (this.#next) return;
    if (failure.kind === "unsupported") return this.#connect();
    this.#tellWhy(failure);
    const slow = failure.code === 1013 || failure.code === 1008;
    const wait = slow ? WAIT_MOST : Math.min(WAIT_MOST, WAIT_LEAST * 2 ** this.#attempts++);
    this.#retry = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  /** @param {Transport} transport @param {Failure} failure */
  #avoid(transport, { kind, message }) {
    const wait = Math.min((this.#avoided.get(transport)?.wait ?? AVOID_LEAST / 2) * 2, AVOID_MOST);
    this.#avoided.set(transport, { until: performance.now() + wait, wait, kind, message });
    const other = this.#able().find((t) => t !== transport && this.#avoided.get(t)?.kind !== "unsupported");
    const then = other ? `playing by ${NAMES[other]}; ${NAMES[transport]} is tried again in ${Math.round(wait / 1000)} s` : "";
    this.#view.trouble([`${NAMES[transport]} ${message}`, then].filter(Boolean).join("; "), transport);
  }

  /** @param {Failure | null} failure */
  async #tellWhy(failure) {
    if (failure && !this.#busy) this.#view.state(this.#lastShown ? "reconnecting" : "starting", failure.message);
    const late = setTimeout(() => this.#unanswered(), ANSWER);
    const { server, stream } = await askServer(this.#address);
    clearTimeout(late);
    if (this.#stopped || (this.#alive && !this.#silent)) return;
    if (server === "away") return this.#view.state("reconnecting", failure?.message ?? "the server does not answer");
    if (server === "expired") return this.#view.state("denied", "The address or login that led here has expired: ask for a new one.");
    if (server === "closed") return this.#view.state("denied", "The server does not know you, or not any more.");
    if (server === "foreign") {
      return this.#view.state("foreign", `The camera server must be told to allow it: allow_origins = ["${location.origin}"] in [http].`);
    }
    if (!stream) return this.#view.state("missing", `This server has no stream “${this.#address.name}”.`);
    if (stream.tracks.length > 0 && !stream.tracks.some((t) => t.kind === "video") && !this.#soundOnly) {
      this.#soundOnly = true;
      if (!this.#withSound) return this.retryNow();
    }
    this.#busy = !!stream.busy && !this.#alive;
    if (this.#busy) {
      this.#view.state("busy", stream.busy ?? null);
    } else if (stream.state !== "live" && stream.state !== "idle") {
      this.#view.state(stream.state, stream.reason);
    } else if (!failure && this.#deaf && (stream.fps >= 1 || stream.state === "idle")) {
      // Others get pictures, this connection does not.
      const silent = this.#next ?? this.current;
      silent?.close();
      if (silent) this.#failed(silent, { kind: "stalled", message: "nothing arrives any more" });
    } else if (!failure && this.#alive && this.#silent) {
      this.#view.state("reconnecting", "the camera sends nothing");
    }
  }

  /** Media has stopped and so has the server: the viewer need not wait for the request to fail to be told. */
  #unanswered() {
    if (!this.#stopped && this.#alive && this.#silent) this.#view.state("reconnecting", "the server does not answer");
  }

  /** Once a second: media that stopped or never came. */
  #look() {
    if (this.#hidden) return;
    const silent = this.#silent;
    if (silent && (this.#next || this.#alive)) this.#tellWhy(null);
    else if (this.#alive) this.#view.state("live", null);
    if (this.#next && !this.#alive && !silent && this.#started && performance.now() - this.#started > FIRST_PICTURE) {
      const failure = /** @type {Failure} */ ({ kind: "decode", message: "shows no picture of what arrives" });
      this.#next.close();
      this.#failed(this.#next, failure);
    }
  }

  #drop() {
    this.#next?.close();
    if (this.#next) discard(this.#next.surface);
    this.#next = null;
  }
}

/** Takes a surface away; a video gives its decoder back now rather than when it is collected. @param {Element} surface */
export function discard(surface) {
  surface.remove();
  if (!(surface instanceof HTMLVideoElement)) return;
  surface.removeAttribute("src");
  surface.load();
}

/** @type {Record<Transport, string>} */
export const NAMES = { webrtc: "WebRTC", webcodecs: "WebCodecs", mse: "Media Source", mjpeg: "MJPEG" };

/** Media Source pays in latency; for WebRTC the server makes Opus of most cameras' sound, and only while it is listened to. @type {Set<Transport>} */
const PAYS_FOR_SOUND = new Set(/** @type {Transport[]} */ (["mse", "webrtc"]));
/** @type {Set<Transport>} */
const SLOW_TO_START = new Set(/** @type {Transport[]} */ (["webrtc", "mjpeg"]));
const WAIT_LEAST = 250;
const WAIT_MOST = 5000;
const AVOID_LEAST = 30_000;
const AVOID_MOST = 300_000;
const LATER = 10_000;
const UNSUPPORTED_WAIT = 30_000;
const SILENCE = 2500;
const SILENCE_MOST = 8000;
const ANSWER = 1000;
const FIRST_PICTURE = 8000;
