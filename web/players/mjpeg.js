/**
 * The last resort: JPEGs over HTTP onto a canvas.
 *
 * Works wherever pictures do: no WebCodecs, no Media Source, no codec of the video's. It has no sound, a fraction of the pictures and many times
 * the bits, so it is taken only where nothing else plays, and left as soon as something does. The newest picture is shown; one that comes while
 * another is decoded takes the place of those that wait.
 */
import { PartReader } from "./parts.js";

export const mjpegAvailable = () => typeof createImageBitmap === "function" && typeof ReadableStream === "function";

/** @implements {Connection} */
export class MjpegConnection {
  /** @type {Transport} */
  transport = "mjpeg";
  surface = document.createElement("canvas");
  #host;
  #abort = new AbortController();
  /** @type {Uint8Array<ArrayBuffer> | null} the newest picture, while another one is decoded */
  #waiting = null;
  #decoding = false;
  #hidden = false;
  #shown = false;
  #over = false;
  #frames = 0;
  #dropped = 0;
  #bytes = 0;
  /** Pictures in a row that could not be decoded. */
  #broken = 0;
  /** @type {(() => void)[]} */
  #callbacks = [];

  /** @param {import("./address.js").Address} address @param {PlayerHost} host */
  constructor(address, host) {
    this.#host = host;
    const url = address.below("mjpeg");
    url.searchParams.set("width", String(WIDTH_MOST));
    this.#read(url.href);
  }

  close() {
    this.#over = true;
    this.#abort.abort();
  }

  jumpToLive() {}

  setSound() {}

  /** @param {boolean} hidden */
  setHidden(hidden) {
    this.#hidden = hidden;
  }

  /** @param {() => void} callback */
  nextPicture(callback) {
    this.#callbacks.push(callback);
  }

  /** @returns {Figures} */
  figures() {
    const none = { latency: null, buffered: null, lag: null, rtt: null, sync: null, level: null, clock: { offset: null } };
    const { width, height } = this.surface;
    const figures = { ...none, frames: this.#frames, dropped: this.#dropped, bytes: this.#bytes, width, height };
    this.#frames = this.#dropped = this.#bytes = 0;
    return figures;
  }

  /** @param {string} url */
  async #read(url) {
    try {
      const response = await fetch(url, { signal: this.#abort.signal, cache: "no-store" });
      if (response.status === 415) return this.#end({ kind: "unsupported", message: `cannot: ${(await response.text()).trim()}` });
      if (!response.ok || !response.body) return this.#end({ kind: "closed", message: `the server answers ${response.status}` });
      const reader = response.body.getReader();
      const parts = new PartReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return this.#end({ kind: "closed", message: "the connection was closed" });
        this.#bytes += value.length;
        for (const part of parts.push(value)) this.#take(part);
      }
    } catch (error) {
      this.#end({ kind: "closed", message: `the connection failed: ${error instanceof Error ? error.message : error}` });
    }
  }

  /** @param {Uint8Array<ArrayBuffer>} picture */
  #take(picture) {
    this.#host.media();
    if (this.#hidden && this.#shown) return;
    if (this.#waiting) this.#dropped++;
    this.#waiting = picture;
    if (!this.#decoding) this.#show();
  }

  async #show() {
    this.#decoding = true;
    while (this.#waiting && !this.#over) {
      const blob = new Blob([this.#waiting], { type: "image/jpeg" });
      this.#waiting = null;
      try {
        const picture = await createImageBitmap(blob);
        this.#draw(picture);
        picture.close();
        this.#broken = 0;
      } catch {
        if (++this.#broken >= BROKEN_MOST) this.#end({ kind: "decode", message: "sends pictures that are none" });
      }
    }
    this.#decoding = false;
  }

  /** @param {ImageBitmap} picture */
  #draw(picture) {
    if (this.#over) return;
    const { surface } = this;
    if (surface.width !== picture.width || surface.height !== picture.height) {
      surface.width = picture.width;
      surface.height = picture.height;
      this.#host.tracks([{ id: 1, kind: "video", codec: "mjpeg", width: picture.width, height: picture.height }]);
    }
    surface.getContext("2d")?.drawImage(picture, 0, 0);
    this.#frames++;
    for (const callback of this.#callbacks.splice(0)) callback();
    if (this.#shown) return;
    this.#shown = true;
    this.#host.shown();
  }

  /** @param {Failure} failure */
  #end(failure) {
    if (this.#over) return;
    this.close();
    this.#host.failed(failure);
  }
}

/** Enough for a page, and no more than a camera's own. */
const WIDTH_MOST = 1280;
const BROKEN_MOST = 10;
