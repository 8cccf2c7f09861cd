/**
 * From devices to the server, and again when the connection breaks (docs/ref/websocket.md, Publishing).
 *
 * The encoders live as long as one connection: each starts with a configuration and a picture that stands alone. Whoever is refused is told
 * why and stays out; whoever loses the connection is brought back with growing pauses.
 */
import { ServerClock, unixNow } from "../players/server-clock.js";
import { askServer } from "../players/server-info.js";
import { openSocket } from "../players/socket.js";
import { askWho, may } from "../ui/who.js";
import { PictureEncoder } from "./picture.js";
import { canEncode, Recorder, recorderType } from "./recorder.js";
import { message } from "./unit.js";
import { SoundEncoder } from "./voice.js";

/** @typedef {"off" | "connecting" | "live" | "reconnecting" | "failed"} BroadcastState */
/** @typedef {{ bitrate: number, fps: number | null, width: number, height: number, viewers: number | null, rtt: number | null, left: number }} Sent `left`: pictures left out */

export class Broadcast {
  #address;
  #stream;
  #quality;
  #on;
  #clock = new ServerClock();
  /** @type {Link | null} */
  #link = null;
  #attempts = 0;
  #wasLive = 0;
  #retry = 0;
  #second = 0;
  #over = false;

  /**
   * @param {import("../players/address.js").Address} address @param {MediaStream} stream @param {import("./picture.js").Quality} quality
   * @param {{ state: (state: BroadcastState, words: string) => void, sent: (sent: Sent) => void }} on
   */
  constructor(address, stream, quality, on) {
    this.#address = address;
    this.#stream = stream;
    this.#quality = quality;
    this.#on = on;
    this.#second = setInterval(() => this.#tick(), 1000);
    on.state("connecting", "");
    this.#connect();
  }

  stop() {
    this.#end("off", "");
  }

  /** The connection is tried now rather than at the end of a pause. */
  retryNow() {
    if (this.#over || this.#link) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  /** @param {BroadcastState} state @param {string} words */
  #end(state, words) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#retry);
    clearInterval(this.#second);
    this.#link?.close();
    this.#link = null;
    this.#on.state(state, words);
  }

  #connect() {
    const link = new Link(this.#address, this.#stream, this.#quality, this.#clock, {
      live: () => {
        this.#attempts = 0;
        this.#wasLive = performance.now();
        this.#on.state("live", "");
      },
      closed: (failure, accepted) => this.#closed(failure, accepted),
      broken: (words) => this.#end("failed", words),
    });
    this.#link = link;
  }

  /** @param {Failure} failure @param {boolean} accepted */
  async #closed({ code = 0, message: words }, accepted) {
    const wasLive = this.#link?.live ?? false;
    this.#link?.close();
    this.#link = null;
    if (wasLive) this.#wasLive = performance.now();
    // After a connection that broke without a sign, the server keeps the place for a while.
    const ownPlace = code === 4409 && !accepted && this.#wasLive > 0 && performance.now() - this.#wasLive < OWN_PLACE;
    if (FINAL.has(code) && !ownPlace) return this.#end("failed", `The server says: ${words}.`);
    this.#on.state(this.#wasLive ? "reconnecting" : "connecting", `${sentence(ownPlace ? "the server still holds the old connection" : words)} It is tried again by itself.`);
    // A page is not told how its handshake was answered.
    if (code === 1006 && !accepted) {
      const why = await this.#refusal();
      if (this.#over) return;
      if (why) return this.#end("failed", why);
    }
    const wait = Math.min(WAIT_MOST, WAIT_LEAST * 2 ** this.#attempts++);
    this.#retry = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  /** What keeps us out for good, if the server says so. */
  async #refusal() {
    const { words, away } = await obstacle(this.#address);
    return away ? null : words;
  }

  #tick() {
    if (this.#link) this.#on.sent(this.#link.second());
  }
}

/**
 * What keeps whoever is at this page from publishing to its stream.
 *
 * @param {import("../players/address.js").Address} address
 * @returns {Promise<{ words: string | null, login: boolean, unseen: boolean, away: boolean }>} `words`: why they cannot, or null; `login`: it is
 * not known who they are; `unseen`: they may publish to the stream and not watch it; `away`: the server does not answer
 */
export async function obstacle(address) {
  const { server, stream } = await askServer(address);
  const found = { words: /** @type {string | null} */ (null), login: false, unseen: false, away: server === "away" };
  if (found.away) return { ...found, words: "The server does not answer. Is it running, and are you on its network?" };
  if (server === "foreign") return found;
  if (!stream) {
    const who = await askWho();
    const unseen = may(who, "publish", address.name) && !may(who, "view", address.name);
    const login = (server === "closed" || server === "expired") && !unseen;
    if (login) return { ...found, login, words: "The server does not know you, or not any more. Log in to publish." };
    const there = unseen && (await isThere(address));
    return { ...found, unseen, words: there ? null : `This server has no stream “${address.name}”, or you may not see it.` };
  }
  if (stream.rights && !stream.rights.includes("publish")) return { ...found, words: "You may watch this stream, but not publish to it." };
  if (stream.source || stream.made_from) return { ...found, words: "This stream has a source of its own; nobody can publish to it." };
  return found;
}

/** Whether there is such a stream, as the page itself tells those who may publish to it and not watch it. @param {import("../players/address.js").Address} address */
async function isThere(address) {
  const page = await fetch(address.below("publish"), { method: "HEAD", signal: AbortSignal.timeout(4000) }).catch(() => null);
  return page?.status !== 404;
}

/** One connection, and the encoders that feed it. */
class Link {
  live = false;
  #socket;
  /** @type {ServerClock} */
  #clock;
  /** @type {import("./picture.js").Quality} */
  #quality;
  /** @type {{ live: () => void, closed: (failure: Failure, accepted: boolean) => void, broken: (words: string) => void }} */
  #on;
  #accepted = false;
  #waiting = () => 0;
  /** @type {PictureEncoder | null} */
  #picture = null;
  /** @type {SoundEncoder | null} */
  #sound = null;
  /** @type {Recorder | null} */
  #recorder = null;
  #configured = "";
  #figures = { bytes: 0, pictures: 0, left: 0, width: 0, height: 0, at: performance.now() };
  /** @type {number | null} */
  #viewers = null;
  /** When the oldest ping without an answer was sent, or 0. */
  #asked = 0;

  /**
   * @param {import("../players/address.js").Address} address @param {MediaStream} stream @param {import("./picture.js").Quality} quality
   * @param {ServerClock} clock
   * @param {{ live: () => void, closed: (failure: Failure, accepted: boolean) => void, broken: (words: string) => void }} on
   */
  constructor(address, stream, quality, clock, on) {
    [this.#clock, this.#quality, this.#on] = [clock, quality, on];
    const url = address.below("ws");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("publish", canEncode() ? "webcodecs" : "mp4");
    /** @type {Failure | null} */
    let error = null;
    this.#socket = openSocket(url.href, {
      message: (data) => {
        if (typeof data !== "string") return;
        const said = JSON.parse(data);
        if (said.type === "accepted") this.#begin(stream);
        else if (said.type === "keyframe") this.#picture?.wantKeyframe();
        else if (said.type === "viewers") this.#viewers = said.count;
        else if (said.type === "pong") this.#answered(said);
        else if (said.type === "error") error = { kind: "closed", code: said.code, message: said.message };
      },
      closed: (failure) => on.closed(error ?? failure, this.#accepted),
    });
    this.#waiting = this.#socket.waiting;
  }

  close() {
    this.#picture?.close();
    this.#sound?.close();
    this.#recorder?.close();
    this.#socket.close();
  }

  /** What went out since this was asked last. @returns {Sent} */
  second() {
    if (this.#picture || this.#sound) this.#ping();
    // A connection that broke without a sign looks open for minutes.
    if (this.#asked && performance.now() - this.#asked > ANSWER) {
      this.#on.closed({ kind: "stalled", message: "the server does not answer" }, true);
    }
    const { bytes, pictures, left, width, height, at } = this.#figures;
    const now = performance.now();
    this.#figures = { bytes: 0, pictures: 0, left: 0, width, height, at: now };
    const seconds = (now - at) / 1000;
    const fps = this.#recorder ? null : Math.round(pictures / seconds);
    return { bitrate: (bytes * 8) / seconds, fps, left, width, height, viewers: this.#viewers, rtt: this.#clock.rtt };
  }

  #ping() {
    this.#asked ||= performance.now();
    this.#socket.send(JSON.stringify({ type: "ping", t: unixNow() }));
  }

  /** @param {{ t: number, now: number }} pong */
  #answered({ t, now }) {
    this.#asked = 0;
    this.#clock.pong(t, unixNow(), now);
  }

  /** @param {MediaStream} stream */
  #begin(stream) {
    this.#accepted = true;
    if (!canEncode()) return this.#record(stream);
    this.#ping();
    const [camera, microphone] = [stream.getVideoTracks()[0], stream.getAudioTracks()[0]];
    if (camera) {
      this.#picture = new PictureEncoder(camera, this.#quality, {
        room: () => {
          const room = this.#waiting() < this.#quality.bitrate / 8 / 2; // half a second's worth
          if (!room) this.#figures.left++;
          return room;
        },
        picture: (picture) => {
          this.#configure(picture.codec, !!microphone);
          Object.assign(this.#figures, { width: picture.width, height: picture.height });
          this.#figures.pictures++;
          this.#send(1, picture.key, picture);
        },
        failed: (words) => this.#on.broken(`The picture cannot be encoded: ${words}`),
      });
    }
    if (!microphone) return;
    this.#sound = new SoundEncoder(microphone, {
      sound: (sound) => {
        if (!camera) this.#configure("", true);
        // With pictures, the tracks are known once the first one is there.
        if (this.#configured) this.#send(2, true, sound);
      },
      failed: (words) => this.#on.broken(`The sound cannot be encoded: ${words}`),
    });
  }

  /** @param {MediaStream} stream */
  #record(stream) {
    const { width = 0, height = 0 } = stream.getVideoTracks()[0]?.getSettings() ?? {};
    Object.assign(this.#figures, { width, height });
    try {
      this.#recorder = new Recorder(stream, recorderType() ?? "video/mp4", this.#quality, {
        piece: (bytes) => {
          if (this.#waiting() > (this.#quality.bitrate / 8) * BACKLOG) {
            return this.#on.closed({ kind: "closed", message: "the connection is too slow for this quality" }, true);
          }
          this.#out(bytes);
        },
        failed: (words) => this.#on.broken(`It cannot be recorded: ${words}`),
      });
    } catch (error) {
      this.#on.broken(`It cannot be recorded: ${error}`);
    }
  }

  /** Says what follows, if that is not said yet. @param {string} codec @param {boolean} sound */
  #configure(codec, sound) {
    const key = `${codec} ${sound}`;
    if (key === this.#configured) return;
    this.#configured = key;
    const tracks = [];
    if (codec) tracks.push({ id: 1, kind: "video", codec });
    if (sound) tracks.push({ id: 2, kind: "audio", codec: "opus", channels: 2 });
    this.#socket.send(JSON.stringify({ type: "configuration", version: 1, keyframes: codec !== "", tracks }));
  }

  /** @param {number} track @param {boolean} randomAccess @param {{ data: Uint8Array, at: number }} made */
  #send(track, randomAccess, { data, at }) {
    const { offset } = this.#clock;
    const captured = offset === null ? 0 : (performance.timeOrigin + offset) * 1000 + at;
    this.#out(message({ track, randomAccess, pts: at, captured, data }));
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  #out(bytes) {
    this.#socket.send(bytes);
    this.#figures.bytes += bytes.length;
    if (this.live) return;
    this.live = true;
    this.#on.live();
  }
}

/** @param {string} words */
const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

/** Refused, removed, or not understood: trying again would change nothing. */
const FINAL = new Set([1008, 1009, 4400, 4409, 4410, 4415]);
const WAIT_LEAST = 500;
const WAIT_MOST = 8000;
const OWN_PLACE = 30_000;
/** So many seconds of a recording may wait for the network. */
const BACKLOG = 4;
/** So long the server may be silent, ms. */
const ANSWER = 6000;
