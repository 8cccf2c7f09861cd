/**
 * The WebRTC way: asks by WHEP, receives by UDP, plays in a `<video>`.
 *
 * What is lost on the way is asked for again or left out, so a bad network costs pictures and not time. It is given up soon where
 * it does not get through: a network without UDP, a server that cannot be reached at the addresses it names, a stream whose
 * pictures or sound WebRTC cannot carry. The session then plays by a WebSocket and tries again behind it.
 */

import { Refused, leave, offered } from "./whip.js";

export const webrtcAvailable = () => typeof RTCPeerConnection === "function";

/** @implements {Connection} */
export class WebRtcConnection {
  /** @type {Transport} */
  transport = "webrtc";
  surface = document.createElement("video");
  #host;
  #address;
  #audio;
  /** @type {RTCPeerConnection} */
  #peer;
  /** The answer named servers that were not known when it began: with them there may be a way. */
  #hasNews = false;
  /** @type {string | null} where the server keeps this session */
  #resource = null;
  #abort = new AbortController();
  #over = false;
  #shown = false;
  #timer;
  #began = performance.now();
  /** Sums of the last look and of the last figures. */
  #seen = NOTHING;
  #told = NOTHING;
  #rtt = /** @type {number | null} */ (null);
  #buffered = /** @type {number | null} */ (null);
  #described = "";

  /** @param {import("./address.js").Address} address @param {PlayerHost} host @param {{ audio: boolean }} options `audio`: with a sound track */
  constructor(address, host, { audio }) {
    this.#host = host;
    this.#address = address;
    this.#audio = audio;
    const video = this.surface;
    video.playsInline = true;
    video.muted = true;
    video.disableRemotePlayback = true;
    this.#timer = setInterval(() => this.#look(), LOOK);
    this.#peer = this.#call();
  }

  /** Begins, with all servers that are known. */
  #call() {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: remembered.get(this.#key) ?? [] });
    peer.ontrack = ({ track, receiver }) => this.#arrived(track, receiver);
    peer.onconnectionstatechange = () => peer === this.#peer && this.#connection();
    for (const kind of this.#audio ? ["video", "audio"] : ["video"]) peer.addTransceiver(kind, { direction: "recvonly" });
    this.surface.srcObject = new MediaStream();
    this.#began = performance.now();
    this.#ask(peer);
    return peer;
  }

  close() {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    this.#abort.abort();
    this.#leave();
    this.surface.pause();
    this.surface.srcObject = null;
  }

  jumpToLive() {
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
    if (!hidden) this.#play();
  }

  /** @param {() => void} callback */
  nextPicture(callback) {
    if (this.surface.requestVideoFrameCallback) this.surface.requestVideoFrameCallback(() => callback());
    else callback();
  }

  /** @returns {Figures} */
  figures() {
    const { frames, dropped, bytes } = this.#seen;
    const told = this.#told;
    this.#told = this.#seen;
    const { videoWidth: width, videoHeight: height } = this.surface;
    const none = { latency: null, lag: null, sync: null, level: null, clock: { offset: null } };
    return {
      ...none,
      frames: frames - told.frames,
      dropped: dropped - told.dropped,
      bytes: bytes - told.bytes,
      width,
      height,
      buffered: this.#buffered,
      rtt: this.#rtt,
    };
  }

  /** @param {RTCPeerConnection} peer */
  async #ask(peer) {
    try {
      await peer.setLocalDescription();
      const { answer, resource, link } = await offered(new URL(this.#url), peer.localDescription?.sdp ?? "", this.#abort.signal);
      this.#resource = resource;
      if (this.#over) return this.#leave();
      const servers = iceServers(link);
      this.#hasNews = servers.length > 0 && JSON.stringify(servers) !== JSON.stringify(remembered.get(this.#key));
      remembered.set(this.#key, servers);
      if (servers.length) peer.setConfiguration({ ...peer.getConfiguration(), iceServers: servers });
      await peer.setRemoteDescription({ type: "answer", sdp: apart(answer) });
      if (this.#audio && !this.#takes("audio")) await this.#withoutSound();
      if (!this.#takes("video") && !this.#takes("audio")) this.#end("unsupported", "gets neither picture nor sound of this stream");
    } catch (error) {
      if (this.#over) return;
      if (error instanceof Refused) return this.#refused(error);
      this.#end("closed", `the connection failed: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** @param {Refused} refused */
  #refused({ status, message }) {
    if (UNSUPPORTED.has(status)) return this.#end("unsupported", `cannot: ${message}`);
    this.#end("closed", message, status === 503 ? 1013 : undefined);
  }

  /** The answer leaves the sound out: another way may have it, if there is any. */
  async #withoutSound() {
    const { askServer } = await import("./server-info.js");
    const { stream } = await askServer(this.#address);
    if (stream?.tracks.some((t) => t.kind === "audio")) this.#end("unsupported", "does not carry this stream's sound");
  }

  /** @param {string} kind */
  #takes(kind) {
    return this.#peer.getTransceivers().some((t) => t.receiver.track.kind === kind && /recv/.test(t.currentDirection ?? ""));
  }

  /** @param {MediaStreamTrack} track @param {RTCRtpReceiver} receiver */
  #arrived(track, receiver) {
    // As little as the network allows; both names are of the same thing.
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else Object.assign(receiver, { playoutDelayHint: 0 });
    /** @type {MediaStream} */ (this.surface.srcObject)?.addTrack(track);
    this.#play();
    if (track.kind === "video") this.nextPicture(() => this.#settle());
    else track.addEventListener("unmute", () => !this.#takes("video") && this.#settle(), { once: true });
  }

  #settle() {
    if (this.#shown || this.#over) return;
    this.#shown = true;
    this.#host.shown();
  }

  #play() {
    this.surface.play().catch((error) => {
      if (this.#over || error.name !== "NotAllowedError" || this.surface.muted) return;
      this.surface.muted = true;
      this.#host.soundBlocked();
      this.surface.play().catch(() => {});
    });
  }

  #connection() {
    const { connectionState: state } = this.#peer;
    if (state === "failed") {
      if (this.#shown) this.#end("closed", "the connection broke");
      else this.#noWay();
    }
    if (state === "closed") this.#end("closed", "the connection was closed");
  }

  /** Nothing got through: once more, if the answer named servers that this connection began without. */
  #noWay() {
    if (!this.#hasNews) return this.#end("unsupported", NO_WAY);
    this.#hasNews = false;
    this.#leave();
    this.#peer = this.#call();
  }

  /** What has come since. */
  async #look() {
    if (!this.#shown && performance.now() - this.#began > FIRST_PICTURE) {
      const through = this.#peer.connectionState === "connected";
      // Connected and without a picture: the camera may be on its way, which the session finds out.
      if (!through) return this.#noWay();
    }
    if (this.#peer.connectionState !== "connected") return;
    const report = await this.#peer.getStats();
    if (this.#over) return;
    let [bytes, frames, dropped] = [0, 0, 0];
    /** @type {TrackInfo[]} */
    const tracks = [];
    for (const entry of report.values()) {
      if (entry.type === "candidate-pair" && entry.nominated && entry.currentRoundTripTime !== undefined) this.#rtt = entry.currentRoundTripTime * 1000;
      if (entry.type !== "inbound-rtp") continue;
      bytes += entry.bytesReceived + (entry.headerBytesReceived ?? 0);
      const codec = report.get(entry.codecId);
      if (codec) tracks.push(described(entry, codec));
      if (entry.kind !== "video") continue;
      frames += (entry.framesDecoded ?? 0) - (entry.framesDropped ?? 0);
      dropped += entry.framesDropped ?? 0;
      const last = this.#seen;
      const emitted = (entry.jitterBufferEmittedCount ?? 0) - last.emitted;
      if (emitted > 0) this.#buffered = (((entry.jitterBufferDelay ?? 0) - last.delay) / emitted) * 1000;
      this.#seen = { ...last, emitted: entry.jitterBufferEmittedCount ?? 0, delay: entry.jitterBufferDelay ?? 0 };
    }
    if (bytes > this.#seen.bytes) this.#host.media();
    this.#seen = { ...this.#seen, bytes, frames, dropped };
    const key = JSON.stringify(tracks);
    if (tracks.length && key !== this.#described) {
      this.#described = key;
      this.#host.tracks(tracks);
    }
  }

  get #url() {
    return this.#address.below("whep").href;
  }

  /** Of the server, for what it said before. */
  get #key() {
    return new URL(this.#url).origin;
  }

  /** Says goodbye, also when the page is being left. */
  #leave() {
    leave(this.#peer, this.#resource);
    this.#resource = null;
  }

  /** @param {Failure["kind"]} kind @param {string} message @param {number} [code] */
  #end(kind, message, code) {
    if (this.#over) return;
    this.close();
    this.#host.failed({ kind, message, code });
  }
}

/**
 * Says of an answer's sound that it belongs to another stream than the pictures. Of one stream the browser holds pictures back until its
 * loudspeaker has caught up: by 50 ms, or by 200 where that is far away. Whoever steers by a picture must not wait, and sound that is late by so
 * little is not noticed (ITU-R BT.1359 puts that at 125 ms).
 *
 * @param {string} answer
 */
export function apart(answer) {
  const section = (/** @type {string} */ text) => (text.startsWith("m=audio") ? text.replaceAll(/\bmsid:(\S+) /g, "msid:$1-sound ") : text);
  return answer.split(/^(?=m=)/m).map(section).join("");
}

/**
 * ICE servers of a WHEP answer's `Link` headers (RFC 9725 §4.6): `<stun:host>; rel="ice-server"`.
 *
 * @param {string} header @returns {RTCIceServer[]}
 */
export function iceServers(header) {
  const found = [];
  for (const [, url, rest] of header.matchAll(/<([^>]*)>([^<]*)/g)) {
    const value = (/** @type {string} */ name) => new RegExp(`;\\s*${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^;,\\s]*))`, "i").exec(rest);
    const of = (/** @type {string} */ name) => {
      const match = value(name);
      return match ? (match[1] ?? match[2]).replace(/\\(.)/g, "$1") : undefined;
    };
    if (of("rel") !== "ice-server") continue;
    const [username, credential] = [of("username"), of("credential")];
    found.push(username === undefined ? { urls: url } : { urls: url, username, credential });
  }
  return found;
}

/** @param {any} entry @param {any} codec @returns {TrackInfo} */
function described(entry, codec) {
  const name = String(codec.mimeType ?? "").split("/")[1] ?? "";
  const level = /profile-level-id=([0-9a-f]{6})/i.exec(codec.sdpFmtpLine ?? "");
  const spelled = NAMES[name.toUpperCase()] ?? name.toLowerCase();
  const kind = entry.kind === "audio" ? "audio" : "video";
  return { id: kind === "video" ? 1 : 2, kind, codec: spelled === "avc1" && level ? `avc1.${level[1]}` : spelled };
}

/** @type {Record<string, string>} */
const NAMES = { H264: "avc1", H265: "hvc1", AV1: "av01", VP9: "vp09" };
/** What servers have said of ICE servers, for the next connection. @type {Map<string, RTCIceServer[]>} */
const remembered = new Map();
const NOTHING = { bytes: 0, frames: 0, dropped: 0, emitted: 0, delay: 0 };
const NO_WAY = "gets no way through the network to this server";
/** Answers that say that this stream, or this server, has no WebRTC for us. */
const UNSUPPORTED = new Set([404, 405, 406, 415, 422, 501]);
const LOOK = 500;
/** So long a way may take to be found. */
const FIRST_PICTURE = 2500;
