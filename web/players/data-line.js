/**
 * What is said to a stream and what it answers: messages, as docs/ref/data.md has them.
 *
 * A WebSocket of its own, opened when something is to be said or heard first, and again when it broke. What is said while there is no
 * connection is forgotten: a robot is not to do now what somebody wanted a minute ago.
 */
import { openSocket } from "./socket.js";

export class DataLine {
  #url;
  #heard;
  /** @type {ReturnType<typeof openSocket> | null} */
  #socket = null;
  #retry = 0;
  #wait = WAIT_LEAST;
  #closed = false;

  /** @param {import("./address.js").Address} address @param {(message: unknown) => void} heard */
  constructor(address, heard) {
    this.#url = address.data;
    this.#heard = heard;
    this.#open();
  }

  /** @param {unknown} message anything that JSON can say */
  say(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
    this.#socket = null;
  }

  #open() {
    this.#socket = openSocket(this.#url, {
      message: (data) => {
        this.#wait = WAIT_LEAST;
        this.#heard(read(data));
      },
      closed: () => {
        this.#socket = null;
        if (this.#closed) return;
        this.#retry = setTimeout(() => this.#open(), this.#wait);
        this.#wait = Math.min(this.#wait * 2, WAIT_MOST);
      },
    });
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
