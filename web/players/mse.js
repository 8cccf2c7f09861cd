/**
 * The Media Source Extensions way: movie fragments over a WebSocket into a `<video>`.
 *
 * Works where WebCodecs does not (plain http in a local network, older browsers). The buffer ahead is kept as small as
 * this browser's decoder bears: it grows when playback starves and shrinks slowly again. What is behind by little is
 * caught up by playing at most 1.1 times as fast, what is behind by more than a second by a jump. A sound track costs
 * 120 ms even when it is muted, so it is left out until it is wanted.
 *
 * A message that begins with `ftyp` is a new initialization segment and is appended like any other.
 */
import { codecName } from "./codec-name.js";
import { isInitSegment, tracksOf } from "./init-segment.js";
import { openSocket } from "./socket.js";

/** @type {typeof MediaSource | undefined} */
const Source = globalThis.MediaSource ?? /** @type {any} */ (globalThis).ManagedMediaSource;

export const mseAvailable = () => Source !== undefined;

/** @implements {Connection} */
export class MseConnection {
  /** @type {Transport} */
  transport = "mse";
  surface = document.createElement("video");
  #host;
  #socket;
  #source = new /** @type {typeof MediaSource} */ (Source)();
  /** @type {SourceBuffer | null} */
  #buffer = null;
  #mime = "";
  /** The kinds of track the source buffer was made for: MSE lets it have no others. */
  #kinds = "";
  #outgrown = false;
  #catching = false;
  /** @type {ArrayBuffer[]} */
  #queue = [];
  #queued = 0;
  #url = URL.createObjectURL(this.#source);
  #settled = false;
  #over = false;
  #least = LEAST_SILENT;
  #target = LEAST_SILENT;
  /** Smoothed seconds behind the edge. */
  #usual = LEAST_SILENT;
  #timer;
  #bytes = 0;
  #quality = { total: 0, dropped: 0 };

  /** @param {import("./address.js").Address} address @param {PlayerHost} host @param {{ audio: boolean }} options `audio`: with a sound track */
  constructor(address, host, { audio }) {
    this.#host = host;
    const video = this.surface;
    video.playsInline = true;
    video.muted = true;
    video.disableRemotePlayback = true;
    video.src = this.#url;
    video.addEventListener("error", () => this.#fail("decode", `could not decode: ${video.error?.message || "no reason given"}`));
    video.addEventListener("waiting", () => this.#starved());
    video.addEventListener("timeupdate", () => this.#settle());
    video.requestVideoFrameCallback?.(() => this.#settle());
    this.#source.addEventListener("sourceopen", () => {
      URL.revokeObjectURL(this.#url);
      this.#feed();
    });
    this.#timer = setInterval(() => this.#steer(), 100);
    this.#socket = openSocket(address.socket("fmp4", audio ? {} : { audio: 0 }), {
      message: (data) => typeof data !== "string" && this.#message(data),
      closed: (failure) => this.#end(failure),
    });
  }

  close() {
    this.#over = true;
    clearInterval(this.#timer);
    this.#socket.close();
    this.surface.pause();
  }

  jumpToLive() {
    const ahead = this.surface.buffered;
    this.#usual = this.#target;
    if (ahead.length) this.surface.currentTime = Math.max(ahead.start(ahead.length - 1), this.#edge - this.#target);
    this.#play();
  }

  /** @param {boolean} muted @param {number} volume */
  setSound(muted, volume) {
    this.surface.muted = muted;
    this.surface.volume = volume;
    if (!muted) this.#play();
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    if (!hidden) this.jumpToLive();
  }

  /** @param {() => void} callback */
  nextPicture(callback) {
    if (this.surface.requestVideoFrameCallback) this.surface.requestVideoFrameCallback(() => callback());
    else callback();
  }

  /** @returns {Figures} */
  figures() {
    const quality = this.surface.getVideoPlaybackQuality();
    const bytes = this.#bytes;
    const dropped = quality.droppedVideoFrames - this.#quality.dropped;
    const frames = quality.totalVideoFrames - this.#quality.total - dropped;
    this.#quality = { total: quality.totalVideoFrames, dropped: quality.droppedVideoFrames };
    this.#bytes = 0;
    const { videoWidth: width, videoHeight: height } = this.surface;
    const buffered = Math.max(0, this.#behind) * 1000;
    const none = { latency: null, lag: null, rtt: null, sync: null, level: null, clock: { offset: null } };
    return { ...none, frames, dropped, bytes, width, height, buffered };
  }

  /** @param {ArrayBuffer} data */
  #message(data) {
    this.#bytes += data.byteLength;
    this.#queued += data.byteLength;
    this.#host.media();
    if (this.#outgrown) return;
    if (this.#queued > QUEUE_MOST) return this.#fail("stalled", "the browser takes no more media");
    this.#queue.push(data);
    this.#feed();
  }

  /** Appends what has come, as one piece up to the next initialization segment. */
  #feed() {
    if (this.#over || this.#source.readyState !== "open" || this.#buffer?.updating || !this.#queue.length) return;
    if (isInitSegment(this.#queue[0]) && !this.#prepare(this.#queue[0])) return;
    if (!this.#buffer) return this.#fail("decode", "got a stream that does not begin with an initialization segment");
    let count = 1;
    while (count < this.#queue.length && !isInitSegment(this.#queue[count])) count++;
    const pieces = this.#queue.splice(0, count);
    const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(new Uint8Array(piece), at);
      at += piece.byteLength;
    }
    try {
      this.#buffer.appendBuffer(whole);
      this.#queued -= whole.length;
    } catch (error) {
      if (/** @type {DOMException} */ (error).name !== "QuotaExceededError") return this.#fail("decode", `failed: ${error}`);
      this.#queue.unshift(whole.buffer);
      this.#trim(0.5);
    }
  }

  /** @param {ArrayBuffer} segment */
  #prepare(segment) {
    const tracks = tracksOf(segment);
    const mime = `${tracks.some((t) => t.kind === "video") ? "video" : "audio"}/mp4; codecs="${tracks.map((t) => t.codec)}"`;
    this.#host.tracks(tracks);
    const kinds = tracks.map((t) => t.kind).sort().join();
    if (!this.#kinds) this.#target = this.#least = kinds.includes("audio") ? LEAST_WITH_SOUND : LEAST_SILENT;
    this.#kinds ||= kinds;
    if (kinds !== this.#kinds) {
      this.#outgrown = true;
      this.#queue = [];
      this.#host.outgrown();
      return false;
    }
    if (mime === this.#mime) return true;
    if (!Source?.isTypeSupported(mime)) {
      this.#fail("unsupported", `does not play ${tracks.map((t) => codecName(t.codec)).join(" with ")} in this browser`);
      return false;
    }
    try {
      if (this.#buffer) this.#buffer.changeType(mime);
      else {
        this.#buffer = this.#source.addSourceBuffer(mime);
        this.#buffer.addEventListener("updateend", () => this.#appended());
      }
    } catch (error) {
      this.#fail("unsupported", `failed: ${error}`);
      return false;
    }
    this.#mime = mime;
    return true;
  }

  #appended() {
    const video = this.surface;
    if (!this.#settled && video.buffered.length) {
      if (video.currentTime < video.buffered.start(0)) this.jumpToLive();
      this.#play();
    }
    if (video.buffered.length && video.currentTime - video.buffered.start(0) > KEEP_MOST) this.#trim(KEEP_LEAST);
    this.#feed();
  }

  /** Forgets what was played longer ago than `keep` seconds. @param {number} keep */
  #trim(keep) {
    const end = this.surface.currentTime - keep;
    if (this.#buffer && !this.#buffer.updating && end > 0) this.#buffer.remove(0, end);
  }

  #play() {
    this.surface.play().catch((error) => {
      if (this.#over || error.name !== "NotAllowedError" || this.surface.muted) return;
      this.surface.muted = true;
      this.#host.soundBlocked();
      this.surface.play().catch(() => {});
    });
  }

  #steer() {
    const video = this.surface;
    if (!this.#settled || !video.buffered.length) return;
    const last = video.buffered.length - 1;
    const behind = this.#behind;
    this.#target = Math.max(this.#least, this.#target - SHRINK);
    if (behind > this.#target + JUMP || video.currentTime < video.buffered.start(last) - 0.05) return this.jumpToLive();
    if (video.paused) this.#play();
    this.#usual += (behind - this.#usual) / 5; // the depth swings by what one append brings
    const excess = this.#usual - this.#target;
    this.#catching = excess > (this.#catching ? 0.01 : 0.05);
    const rate = this.#catching ? 1 + Math.min(0.1, 0.02 + excess / 3) : 1;
    if (Math.abs(video.playbackRate - rate) > 0.005) video.playbackRate = rate;
  }

  /** A wait that our own jump causes says nothing about how deep the buffer must be. */
  #starved() {
    if (this.#settled && !this.surface.seeking) this.#target = Math.min(TARGET_MOST, Math.max(this.#target * 1.25, this.#behind + 0.1));
  }

  #settle() {
    if (this.#settled || this.#over || this.surface.readyState < 2) return;
    this.#settled = true;
    if (this.#behind > this.#target + 0.15) this.jumpToLive(); // the backlog since the last random access point
    this.#host.shown();
  }

  get #edge() {
    const { buffered } = this.surface;
    return buffered.length ? buffered.end(buffered.length - 1) : 0;
  }

  get #behind() {
    return this.#edge - this.surface.currentTime;
  }

  /** @param {Failure["kind"]} kind @param {string} message */
  #fail(kind, message) {
    this.#end({ kind, message });
  }

  /** @param {Failure} failure */
  #end(failure) {
    if (this.#over) return;
    this.close();
    this.#host.failed(failure);
  }
}

const LEAST_SILENT = 0.08;
/** Chromium starves at 130 ms once a sound track is there, and then plays half a second behind. */
const LEAST_WITH_SOUND = 0.2;
/** Seconds in each tenth of a second: a depth once needed is given up in minutes. */
const SHRINK = 0.0001;
const TARGET_MOST = 0.6;
const JUMP = 1;
const KEEP_MOST = 20;
const KEEP_LEAST = 8;
const QUEUE_MOST = 32 << 20;
