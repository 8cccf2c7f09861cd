/**
 * Sound beside WebCodecs pictures: AudioDecoder → an AudioWorklet that keeps to the pictures' clock.
 *
 * One AudioContext serves all players of a page (browsers allow few). Muted costs nothing: no decoder exists then.
 * Each decoded block goes to the worklet with the context time at which it should leave the speaker; the worklet
 * steers to it (sound-worklet.js). What the sound card adds is taken from `getOutputTimestamp`.
 */
import { fromBase64 } from "./units.js";

export class Sound {
  level = /** @type {number | null} */ (null);
  #playout;
  #blocked;
  #muted = true;
  #volume = 1;
  #closed = false;
  /** @type {TrackInfo | null} */
  #track = null;
  /** @type {AudioDecoder | null} */
  #decoder = null;
  /** @type {AudioWorkletNode | null} */
  #node = null;
  /** @type {GainNode | null} */
  #gain = null;
  #generation = 0;
  #heard = { pts: NaN, at: 0 };

  /** @param {import("./playout.js").Playout} playout @param {() => void} blocked */
  constructor(playout, blocked) {
    this.#playout = playout;
    this.#blocked = blocked;
  }

  /** @param {TrackInfo | null} track */
  configure(track) {
    this.#track = track;
    this.#stop();
    if (track && !this.#muted) this.#start(track);
  }

  /** @param {boolean} muted @param {number} volume */
  set(muted, volume) {
    this.#volume = volume;
    this.#gain?.gain.setTargetAtTime(volume, context().currentTime, 0.02);
    if (muted === this.#muted) return;
    this.#muted = muted;
    if (muted) this.#stop();
    else if (this.#track) this.#start(this.#track);
  }

  /** @param {import("./units.js").Unit} unit */
  push(unit) {
    if (this.#decoder?.state !== "configured" || context().state !== "running") return;
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: unit.pts, data: unit.data }));
  }

  /** The presentation time (ms) heard at `now`, or null. @param {number} now */
  position(now) {
    return Number.isNaN(this.#heard.pts) || now - this.#heard.at > 1000 ? null : this.#heard.pts + now - this.#heard.at;
  }

  close() {
    this.#closed = true;
    this.#stop();
  }

  #stop() {
    this.#generation += 1;
    if (this.#decoder?.state === "configured") this.#decoder.close();
    this.#decoder = null;
    this.#node?.disconnect();
    this.#node?.port.close();
    this.#node = null;
    this.#gain?.disconnect();
    this.#gain = null;
    this.level = null;
    this.#heard = { pts: NaN, at: 0 };
    this.#playout.soundEnded();
  }

  /** @param {TrackInfo} track */
  async #start(track) {
    if (this.#closed || !("AudioDecoder" in globalThis) || !globalThis.AudioWorklet) return;
    const generation = ++this.#generation;
    const stale = () => generation !== this.#generation;
    const audio = context();
    if (!(await running(audio))) {
      if (!stale()) this.#blocked();
      return;
    }
    await worklet(audio);
    /** @type {AudioDecoderConfig} */
    const config = { codec: track.codec, sampleRate: track.sampleRate ?? 48000, numberOfChannels: track.channels ?? 2 };
    const description = fromBase64(track.description);
    if (description) config.description = description;
    const { supported } = await AudioDecoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (stale() || !supported) return;
    this.#gain = new GainNode(audio, { gain: this.#volume });
    this.#gain.connect(audio.destination);
    this.#decoder = new AudioDecoder({
      output: (data) => this.#decoded(data),
      error: () => !stale() && this.configure(this.#track),
    });
    this.#decoder.configure(config);
  }

  /** @param {AudioData} data */
  #decoded(data) {
    const audio = context();
    const now = performance.now();
    const pts = data.timestamp / 1000;
    const output = outputDelay(audio);
    this.#playout.soundArrived(pts, now, output);
    const channels = [];
    for (let plane = 0; plane < Math.min(data.numberOfChannels, 2); plane++) {
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: plane, format: "f32-planar" });
      channels.push(samples);
    }
    const when = audio.currentTime + (this.#playout.soundDue(pts) - now - output) / 1000;
    this.#destination(audio, data.sampleRate)?.port.postMessage(
      { pts, when, channels },
      channels.map((c) => c.buffer),
    );
    data.close();
  }

  /** @param {AudioContext} audio @param {number} rate */
  #destination(audio, rate) {
    if (this.#node || !this.#gain) return this.#node;
    this.#node = new AudioWorkletNode(audio, "firstlight-sound", {
      numberOfInputs: 0,
      outputChannelCount: [2],
      processorOptions: { rate },
    });
    this.#node.port.onmessage = ({ data }) => {
      this.level = data.level;
      const late = (audio.currentTime - data.at) * 1000;
      this.#heard = { pts: data.pts + late - outputDelay(audio), at: performance.now() };
    };
    this.#node.connect(this.#gain);
    return this.#node;
  }
}

/** @type {AudioContext | null} */
let shared = null;
/** @type {Promise<void> | null} */
let loaded = null;

function context() {
  return (shared ??= new AudioContext({ latencyHint: "interactive" }));
}

/** @param {AudioContext} audio */
function worklet(audio) {
  return (loaded ??= audio.audioWorklet.addModule(new URL("./sound-worklet.js", import.meta.url)));
}

/** Milliseconds between a sample's context time and the speaker. @param {AudioContext} audio */
function outputDelay(audio) {
  return Math.min((audio.baseLatency + (audio.outputLatency || 0)) * 1000, 300);
}

/** Whether the browser lets the context run; it may take a moment to say so. @param {AudioContext} audio */
async function running(audio) {
  if (audio.state === "running") return true;
  await Promise.race([audio.resume(), new Promise((resolve) => setTimeout(resolve, 300))]).catch(() => {});
  return /** @type {string} */ (audio.state) === "running";
}
