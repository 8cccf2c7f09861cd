/**
 * What is said to a stream and what it answers: messages, as docs/ref/data.md has them.
 *
 * A WebSocket is there at once; a data channel takes its place where one gets through, since nothing else on the network holds it up. Both
 * are opened when something is to be said or heard first, and again when they broke. What is said while there is no connection is
 * forgotten: a robot is not to do now what somebody wanted a minute ago.
 */
import { openSocket } from "./socket.js";
import { webrtcAvailable } from "./webrtc.js";
import { leave, offered } from "./whip.js";

export class DataLine {
  #address;
  #heard;
  /** @type {ReturnType<typeof openSocket> | null} */
  #socket = null;
  #retry = 0;
  #wait = WAIT_LEAST;
  /** @type {DataChannel | null} */
  #channel = null;
  #channelRetry = 0;
  #channelWait = CHANNEL_LEAST;
  #handover = 0;
  #closed = false;

  /** @param {import("./address.js").Address} address @param {(message: unknown) => void} heard */
  constructor(address, heard) {
    this.#address = address;
    this.#heard = heard;
    this.#open();
    if (webrtcAvailable()) this.#openChannel();
  }

  /** How messages travel now. @returns {"channel" | "socket" | null} */
  get way() {
    return this.#channel?.isOpen ? "channel" : this.#socket ? "socket" : null;
  }

  /** @param {unknown} message anything that JSON can say */
  say(message) {
    const text = JSON.stringify(message);
    if (this.#channel?.isOpen) this.#channel.say(text);
    else this.#socket?.send(text);
  }

  close() {
    this.#closed = true;
    for (const timer of [this.#retry, this.#channelRetry, this.#handover]) clearTimeout(timer);
    this.#socket?.close();
    this.#socket = null;
    this.#channel?.close();
    this.#channel = null;
  }

  #open() {
    clearTimeout(this.#retry);
    this.#socket = openSocket(this.#address.data, {
      message: (data) => {
        this.#wait = WAIT_LEAST;
        if (!this.#channel?.isOpen) this.#heard(read(data));
      },
      closed: () => {
        this.#socket = null;
        if (this.#closed || this.#channel?.isOpen) return;
        this.#retry = setTimeout(() => this.#open(), this.#wait);
        this.#wait = Math.min(this.#wait * 2, WAIT_MOST);
      },
    });
  }

  #openChannel() {
    this.#channel = new DataChannel(this.#address, {
      opened: () => {
        this.#channelWait = CHANNEL_LEAST;
        // Not before the server has heard of the channel: a moment without any driver would stop a robot.
        this.#handover = setTimeout(() => {
          clearTimeout(this.#retry);
          this.#socket?.close();
          this.#socket = null;
        }, HANDOVER);
      },
      message: (data) => this.#heard(read(data)),
      closed: () => {
        this.#channel = null;
        if (this.#closed) return;
        clearTimeout(this.#handover);
        if (!this.#socket) this.#open();
        this.#channelRetry = setTimeout(() => this.#openChannel(), this.#channelWait);
        this.#channelWait = Math.min(this.#channelWait * 2, CHANNEL_MOST);
      },
    });
  }
}

/** A connection that is a data channel and nothing else. */
class DataChannel {
  /** @type {{ opened: () => void, message: (data: string | ArrayBuffer) => void, closed: () => void } | null} */
  #on;
  #peer = new RTCPeerConnection();
  #channel = this.#peer.createDataChannel("default");
  /** @type {string | null} where the server keeps the session */
  #resource = null;
  #abort = new AbortController();
  #limit;

  /** @param {import("./address.js").Address} address @param {{ opened: () => void, message: (data: string | ArrayBuffer) => void, closed: () => void }} on */
  constructor(address, on) {
    this.#on = on;
    this.#channel.binaryType = "arraybuffer";
    this.#channel.onopen = () => {
      clearTimeout(this.#limit);
      on.opened();
    };
    this.#channel.onmessage = ({ data }) => on.message(data);
    this.#channel.onclose = () => this.#end();
    this.#peer.onconnectionstatechange = () => {
      // Half a minute would pass before it is called failed, and what drives is not to say so long what nobody hears.
      if (["failed", "disconnected", "closed"].includes(this.#peer.connectionState)) this.#end();
    };
    this.#limit = setTimeout(() => this.#end(), CHANNEL_OPENS);
    this.#begin(address.below("whep")).catch(() => this.#end());
  }

  get isOpen() {
    return this.#channel.readyState === "open" && this.#peer.connectionState === "connected";
  }

  /** @param {string} text */
  say(text) {
    this.#channel.send(text);
  }

  close() {
    this.#on = null;
    this.#end();
  }

  /** @param {URL} url */
  async #begin(url) {
    const peer = this.#peer;
    await peer.setLocalDescription();
    const { resource, answer } = await offered(url, peer.localDescription?.sdp ?? "", this.#abort.signal);
    this.#resource = resource;
    if (!this.#on) return this.#end();
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
  }

  #end() {
    clearTimeout(this.#limit);
    this.#abort.abort();
    leave(this.#peer, this.#resource);
    this.#resource = null;
    const on = this.#on;
    this.#on = null;
    on?.closed();
  }
}

/** @param {string | ArrayBuffer} data @returns {unknown} */
export function read(data) {
  const text = typeof data === "string" ? data : new TextDecoder().decode(data);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const WAIT_LEAST = 250;
const WAIT_MOST = 5000;
const CHANNEL_LEAST = 10_000;
const CHANNEL_MOST = 300_000;
/** So long a data channel may take to open. */
const CHANNEL_OPENS = 5000;
const HANDOVER = 1000;
