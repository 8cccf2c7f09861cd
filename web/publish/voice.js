/**
 * A microphone's sound as Opus, 48 kHz, by way of the audio thread (capture-worklet.js), which every browser has.
 */
import { MediaClock } from "./media-clock.js";

export class SoundEncoder {
  #clock = new MediaClock();
  #audio = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
  #encoder;
  #on;
  #closed = false;

  /** @param {MediaStreamTrack} track @param {{ sound: (sound: { data: Uint8Array, at: number }) => void, failed: (message: string) => void }} on */
  constructor(track, on) {
    this.#on = on;
    this.#encoder = new AudioEncoder({
      output: (chunk) => {
        if (this.#closed) return;
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        on.sound({ data, at: this.#clock.at(chunk.timestamp) });
      },
      error: (error) => this.#fail(error.message),
    });
    this.#encoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: CHANNELS, bitrate: 96_000 });
    this.#listen(track).catch((error) => this.#fail(String(error)));
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#audio.close().catch(() => {});
    if (this.#encoder.state !== "closed") this.#encoder.close();
  }

  /** @param {MediaStreamTrack} track */
  async #listen(track) {
    await this.#audio.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url));
    if (this.#closed) return;
    await this.#audio.resume();
    const node = new AudioWorkletNode(this.#audio, "firstlight-capture", { numberOfOutputs: 0, channelCount: CHANNELS });
    node.port.onmessage = (event) => this.#take(event.data);
    this.#audio.createMediaStreamSource(new MediaStream([track])).connect(node);
  }

  /** @param {{ first: number, block: Float32Array<ArrayBuffer> }} heard */
  #take({ first, block }) {
    if (this.#closed || this.#encoder.state !== "configured") return;
    const timestamp = Math.round((first * 1e6) / RATE);
    const numberOfFrames = block.length / CHANNELS;
    // Its first sample is as old as the block is long.
    this.#clock.arrived(timestamp, performance.now() * 1000 - (numberOfFrames * 1e6) / RATE);
    const data = new AudioData({ format: "f32-planar", sampleRate: RATE, numberOfFrames, numberOfChannels: CHANNELS, timestamp, data: block });
    this.#encoder.encode(data);
    data.close();
  }

  /** @param {string} message */
  #fail(message) {
    if (this.#closed) return;
    this.close();
    this.#on.failed(message);
  }
}

const RATE = 48_000;
const CHANNELS = 2;
