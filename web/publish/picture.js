/**
 * A camera's pictures as H.264: constrained baseline, in real time, in the byte stream format.
 *
 * A picture that the encoder or the network has no room for is left out before it is encoded, so nothing that is sent refers to what is not.
 * Not here: what a connection is.
 */
import { MediaClock } from "./media-clock.js";

/** @typedef {{ width: number, height: number, fps: number, bitrate: number }} Quality */
/** @typedef {{ data: Uint8Array, key: boolean, at: number, codec: string, width: number, height: number }} Picture `at`: µs by our clock */

export class PictureEncoder {
  #clock = new MediaClock();
  #quality;
  #on;
  /** @type {VideoEncoder | null} */
  #encoder = null;
  #size = "";
  #codec = "";
  #closed = false;
  #keyframe = true;
  #lastKey = -Infinity;
  /** @type {() => void} */
  #stop = () => {};

  /**
   * @param {MediaStreamTrack} track @param {Quality} quality
   * @param {{ picture: (picture: Picture) => void, room: () => boolean, failed: (message: string) => void }} on
   */
  constructor(track, quality, on) {
    this.#quality = quality;
    this.#on = on;
    this.#stop = frames(track, (frame) => this.#take(frame), (error) => this.#fail(String(error)));
  }

  /** The next picture is to stand alone. */
  wantKeyframe() {
    this.#keyframe = true;
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
    if (this.#encoder && this.#encoder.state !== "closed") this.#encoder.close();
  }

  /** @param {VideoFrame} frame */
  async #take(frame) {
    try {
      const now = performance.now() * 1000;
      this.#clock.arrived(frame.timestamp, now);
      const size = `${frame.displayWidth}x${frame.displayHeight}`;
      if (size !== this.#size) {
        this.#size = size;
        await this.#configure(frame.displayWidth, frame.displayHeight);
      }
      if (this.#closed || this.#encoder?.state !== "configured") return;
      if (this.#encoder.encodeQueueSize > QUEUE || !this.#on.room()) return;
      const key = this.#keyframe || now - this.#lastKey > KEYFRAMES;
      if (key) [this.#keyframe, this.#lastKey] = [false, now];
      this.#encoder.encode(frame, { keyFrame: key });
    } catch (error) {
      this.#fail(String(error));
    } finally {
      frame.close();
    }
  }

  /** @param {number} width @param {number} height */
  async #configure(width, height) {
    // H.264's pictures have even sides.
    const even = { width: width & ~1, height: height & ~1 };
    const { fps: framerate, bitrate } = this.#quality;
    for (const profile of ["42E0", "4200"]) {
      const codec = `avc1.${profile}${level(width, height)}`;
      /** @type {VideoEncoderConfig} */
      const config = { codec, ...even, framerate, bitrate, latencyMode: "realtime", avc: { format: "annexb" } };
      if (!(await VideoEncoder.isConfigSupported(config).catch(() => null))?.supported) continue;
      if (this.#closed) return;
      if (this.#encoder?.state === "configured") this.#encoder.close();
      this.#encoder = new VideoEncoder({
        output: (chunk) => this.#out(chunk, codec, even),
        error: (error) => this.#fail(error.message),
      });
      this.#encoder.configure(config);
      this.#codec = codec;
      this.#keyframe = true;
      return;
    }
    this.#fail(`this browser does not encode H.264 of ${width} × ${height}`);
  }

  /** @param {EncodedVideoChunk} chunk @param {string} codec @param {{ width: number, height: number }} size */
  #out(chunk, codec, size) {
    if (this.#closed || codec !== this.#codec) return;
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    this.#on.picture({ data, key: chunk.type === "key", at: this.#clock.at(chunk.timestamp), codec, ...size });
  }

  /** @param {string} message */
  #fail(message) {
    if (this.#closed) return;
    this.close();
    this.#on.failed(message);
  }
}

/** The smallest level that holds it at 30 pictures a second (H.264 table A-1), in hexadecimal. @param {number} width @param {number} height */
export function level(width, height) {
  const macroblocks = Math.ceil(width / 16) * Math.ceil(height / 16);
  if (macroblocks <= 1620) return "1e";
  if (macroblocks <= 3600) return "1f";
  return macroblocks <= 8192 ? "28" : "33";
}

/**
 * Hands over each picture of a track, one at a time: `take` closes it. Gives what stops it.
 *
 * @param {MediaStreamTrack} track @param {(frame: VideoFrame) => Promise<void>} take @param {(error: unknown) => void} failed
 */
function frames(track, take, failed) {
  const Processor = /** @type {any} */ (globalThis).MediaStreamTrackProcessor;
  return Processor ? framesOfTrack(new Processor({ track }).readable.getReader(), take, failed) : framesOfVideo(track, take, failed);
}

/** @param {ReadableStreamDefaultReader<VideoFrame>} reader @param {(frame: VideoFrame) => Promise<void>} take @param {(error: unknown) => void} failed */
function framesOfTrack(reader, take, failed) {
  const run = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await take(value);
    }
  };
  run().catch(failed);
  return () => void reader.cancel().catch(() => {});
}

/**
 * By way of a video element, where a track gives no frames to a page: Firefox, Safari. It rests while the page is hidden.
 *
 * @param {MediaStreamTrack} track @param {(frame: VideoFrame) => Promise<void>} take @param {(error: unknown) => void} failed
 */
function framesOfVideo(track, take, failed) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
  let stopped = false;
  const next = () =>
    void video.requestVideoFrameCallback(async (now) => {
      if (stopped) return;
      await take(new VideoFrame(video, { timestamp: Math.round(now * 1000) }));
      next();
    });
  next();
  video.play().catch((error) => stopped || failed(error));
  return () => {
    stopped = true;
    video.srcObject = null;
  };
}

/** So many pictures may wait for the encoder. */
const QUEUE = 2;
/** One stands alone at least this often, µs: nobody who joins waits longer. */
const KEYFRAMES = 2e6;
