/**
 * The WebCodecs way: units over a WebSocket, decoded one by one, drawn on a canvas the moment they are due.
 *
 * The lowest latency there is without WebRTC: nothing is buffered but what `playout.js` asks for. Each drawing shows
 * the newest picture that is due; older ones are closed at once, for decoders own few pictures.
 * After `skipped`, a decoding error or a hidden tab, units are dropped until the next random access point.
 *
 * Not here: which transport is used and what happens after a failure (session.js), sound (sound.js).
 */
import { codecName } from "./codec-name.js";
import { Playout } from "./playout.js";
import { ServerClock, unixNow } from "./server-clock.js";
import { Sound } from "./sound.js";
import { openSocket } from "./socket.js";
import { fromBase64, units } from "./units.js";

export const webcodecsAvailable = () => "VideoDecoder" in globalThis;

/** @implements {Connection} */
export class WebCodecsConnection {
  /** @type {Transport} */
  transport = "webcodecs";
  surface = document.createElement("canvas");
  #context = this.surface.getContext("2d", { alpha: false, desynchronized: true });
  #playout = new Playout();
  #clock = new ServerClock();
  #sound;
  #socket;
  #host;
  /** @type {VideoDecoder | null} */
  #decoder = null;
  /** @type {VideoDecoderConfig | null} */
  #config = null;
  /** @type {VideoFrame[]} */
  #ready = [];
  /** @type {Map<number, number>} pts → capture time, for pictures on their way through the decoder */
  #captured = new Map();
  /** @type {TrackInfo[]} */
  #tracks = [];
  /** @type {Promise<void>} */
  #ordered = Promise.resolve();
  #waiting = 0;
  #needsRandomAccess = true;
  #settled = false;
  #over = false;
  #hidden = false;
  #errors = 0;
  #animation = 0;
  #seen = NaN;
  #lag = /** @type {number | null} */ (null);
  #latency = /** @type {number | null} */ (null);
  /** @type {(() => void) | null} */
  #onPicture = null;
  #count = { frames: 0, dropped: 0, bytes: 0 };
  #pings;

  /** @param {import("./address.js").Address} address @param {PlayerHost} host @param {{ audio: boolean }} options */
  constructor(address, host, { audio }) {
    this.#host = host;
    this.#sound = new Sound(this.#playout, () => host.soundBlocked());
    this.#socket = openSocket(address.socket("webcodecs", audio ? {} : { audio: 0 }), {
      message: (data) => this.#message(data),
      closed: (failure) => this.#fail(failure),
    });
    this.#pings = setInterval(() => this.#ping(), 2000);
    this.#animation = requestAnimationFrame((now) => this.#animate(now));
  }

  close() {
    this.#over = true;
    clearInterval(this.#pings);
    cancelAnimationFrame(this.#animation);
    this.#socket.close();
    this.#sound.close();
    this.#empty();
    if (this.#decoder?.state !== "closed") this.#decoder?.close();
  }

  jumpToLive() {
    for (const frame of this.#ready.splice(0, this.#ready.length - 1)) frame.close();
  }

  /** @param {boolean} muted @param {number} volume */
  setSound(muted, volume) {
    this.#sound.set(muted, volume);
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    if (this.#hidden === hidden) return;
    this.#hidden = hidden;
    this.#needsRandomAccess = true;
    this.#empty();
  }

  /** @param {() => void} callback */
  nextPicture(callback) {
    this.#onPicture = callback;
  }

  /** @returns {Figures} */
  figures() {
    const { frames, dropped, bytes } = this.#count;
    this.#count = { frames: 0, dropped: 0, bytes: 0 };
    const heard = this.#sound.position(performance.now());
    return {
      frames,
      dropped,
      bytes,
      width: this.surface.width,
      height: this.surface.height,
      latency: this.#latency,
      buffered: this.#playout.delay,
      lag: this.#lag,
      rtt: this.#clock.rtt,
      sync: heard === null || Number.isNaN(this.#seen) ? null : heard - this.#seen - performance.now(),
      level: this.#sound.level,
      clock: this.#clock,
    };
  }

  /** @param {string | ArrayBuffer} data */
  #message(data) {
    if (typeof data === "string") return this.#control(JSON.parse(data));
    this.#count.bytes += data.byteLength;
    this.#host.media();
    if (this.#waiting === 0) return this.#units(data);
    this.#ordered = this.#ordered.then(() => this.#units(data));
  }

  /** @param {any} message */
  #control(message) {
    if (message.type === "configuration") {
      this.#waiting += 1;
      this.#ordered = this.#ordered
        .then(() => this.#configure(message.tracks))
        .catch((error) => this.#fail({ kind: "unsupported", message: String(error?.message ?? error) }))
        .then(() => void (this.#waiting -= 1));
      this.#ping();
    } else if (message.type === "skipped") {
      this.#count.dropped += message.items;
    } else if (message.type === "lag") {
      this.#lag = message.ms;
    } else if (message.type === "pong") {
      this.#clock.pong(message.t, unixNow(), message.now);
    }
  }

  /** @param {TrackInfo[]} tracks */
  async #configure(tracks) {
    if (this.#over) return;
    const before = JSON.stringify(this.#tracks.find((t) => t.kind === "video"));
    this.#tracks = tracks;
    this.#host.tracks(tracks);
    const video = tracks.find((t) => t.kind === "video");
    const audio = tracks.find((t) => t.kind === "audio");
    this.#sound.configure(audio ?? null);
    if (this.#config && JSON.stringify(video) === before) return; // only the sound changed
    this.#config = null;
    if (!video) return audio ? undefined : this.#settle();
    /** @type {VideoDecoderConfig} */
    const config = { codec: video.codec, codedWidth: video.width, codedHeight: video.height, optimizeForLatency: true };
    const description = fromBase64(video.description);
    if (description) config.description = description;
    const { supported } = await VideoDecoder.isConfigSupported(config);
    if (this.#over) return;
    if (!supported) throw new Error(`does not decode ${codecName(video.codec)} in this browser`);
    await this.#decoder?.flush().catch(() => {});
    this.#config = config;
    this.#open(config);
  }

  /** @param {VideoDecoderConfig} config */
  #open(config) {
    if (this.#over) return;
    if (this.#decoder?.state !== "closed") this.#decoder?.close();
    this.#captured.clear();
    this.#decoder = new VideoDecoder({
      output: (frame) => this.#decoded(frame),
      error: (error) => this.#broken(error),
    });
    this.#decoder.configure(config);
    this.#needsRandomAccess = true;
  }

  /** @param {ArrayBuffer} message */
  #units(message) {
    if (this.#over) return;
    try {
      for (const unit of units(message)) {
        const track = this.#tracks.find((t) => t.id === unit.track);
        if (track?.kind === "video") this.#video(unit);
        else if (track) this.#audio(unit);
      }
    } catch (error) {
      this.#fail({ kind: "decode", message: `failed: ${error}` });
    }
  }

  /** @param {import("./units.js").Unit} unit */
  #video(unit) {
    const decoder = this.#decoder;
    if (!this.#config || decoder?.state !== "configured" || this.#hidden) return;
    if (decoder.decodeQueueSize > QUEUE_MOST) this.#needsRandomAccess = this.#settled;
    if (this.#needsRandomAccess && !unit.randomAccess) return void (this.#count.dropped += 1);
    if (unit.disposable && this.#settled && decoder.decodeQueueSize > QUEUE_BUSY) return void (this.#count.dropped += 1);
    this.#needsRandomAccess = false;
    if (unit.captured) this.#captured.set(unit.pts, unit.captured / 1000);
    if (this.#captured.size > 300) this.#captured.clear();
    const type = unit.randomAccess ? "key" : "delta";
    decoder.decode(new EncodedVideoChunk({ type, timestamp: unit.pts, data: unit.data }));
  }

  /** @param {import("./units.js").Unit} unit */
  #audio(unit) {
    this.#sound.push(unit);
    if (!this.#settled && !this.#tracks.some((t) => t.kind === "video")) this.#settle();
  }

  /** @param {VideoFrame} frame */
  #decoded(frame) {
    if (this.#over || this.#hidden) return frame.close();
    const now = performance.now();
    this.#playout.arrived(frame.timestamp / 1000, now);
    this.#ready.push(frame);
    while (this.#ready.length > 1 && (this.#ready.length > READY_MOST + READY_SPARE || this.#isDue(this.#ready[1], now))) {
      this.#ready.shift()?.close();
      if (this.#settled) this.#count.dropped += 1;
    }
    if (document.hidden) this.#draw(now); // in a picture-in-picture window, where nothing is animated
  }

  /** @param {number} now */
  #animate(now) {
    this.#animation = requestAnimationFrame((next) => this.#animate(next));
    this.#draw(now);
  }

  /** @param {number} now */
  #draw(now) {
    this.#playout.step(now);
    /** @type {VideoFrame | null} */
    let frame = null;
    // Too many to keep: one shown early is better than one never shown.
    while (this.#ready.length && (this.#isDue(this.#ready[0], now) || !this.#settled || this.#ready.length > READY_MOST)) {
      if (frame && this.#settled) this.#count.dropped += 1;
      frame?.close();
      frame = /** @type {VideoFrame} */ (this.#ready.shift());
    }
    if (!frame) return;
    if (this.surface.width !== frame.displayWidth || this.surface.height !== frame.displayHeight) {
      this.surface.width = frame.displayWidth;
      this.surface.height = frame.displayHeight;
    }
    this.#context?.drawImage(frame, 0, 0);
    this.#measure(frame);
    frame.close();
    this.#count.frames += 1;
    this.#settle();
    this.#onPicture?.();
    this.#onPicture = null;
  }

  /** @param {VideoFrame} frame */
  #measure(frame) {
    const captured = this.#captured.get(frame.timestamp);
    for (const pts of this.#captured.keys()) if (pts <= frame.timestamp) this.#captured.delete(pts);
    const offset = this.#clock.offset;
    this.#latency = captured === undefined || offset === null ? null : unixNow() + offset - captured;
    this.#seen = frame.timestamp / 1000 - performance.now();
  }

  #settle() {
    if (this.#settled) return;
    this.#settled = true;
    this.#host.shown();
  }

  /** @param {VideoFrame} frame @param {number} now */
  #isDue(frame, now) {
    return this.#playout.due(frame.timestamp / 1000) <= now + HALF_REFRESH;
  }

  /** @param {DOMException} error */
  #broken(error) {
    this.#errors += 1;
    setTimeout(() => (this.#errors -= 1), 10_000);
    if (this.#errors >= 3 || !this.#config) this.#fail({ kind: "decode", message: `could not decode: ${error.message}` });
    else this.#open(this.#config);
  }

  #ping() {
    this.#socket.send(JSON.stringify({ type: "ping", t: unixNow() }));
  }

  #empty() {
    for (const frame of this.#ready.splice(0)) frame.close();
  }

  /** @param {Failure} failure */
  #fail(failure) {
    if (this.#over) return;
    this.close();
    this.#host.failed(failure);
  }
}

const QUEUE_BUSY = 8;
const QUEUE_MOST = 60;
const READY_MOST = 6;
const READY_SPARE = 2;
const HALF_REFRESH = 8;
