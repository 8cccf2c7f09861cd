/**
 * The end of the sound path, on the audio thread: a ring of samples, read at just the speed that keeps it on time.
 *
 * Every block says when its first sample should be heard (context time). Small errors are steered away by playing up to
 * 1.5 % faster or slower (cubic interpolation, which also changes the sample rate); more than 100 ms is a jump.
 * Silence until the first block is due, and whenever there is nothing to play.
 */
class SoundProcessor extends AudioWorkletProcessor {
  /** @param {{ processorOptions: { rate: number } }} options */
  constructor({ processorOptions: { rate } }) {
    super();
    this.rate = rate;
    this.ring = [new Float32Array(SIZE), new Float32Array(SIZE)];
    this.written = 0;
    this.read = 0;
    this.anchor = { index: 0, when: 0, pts: 0 };
    this.playing = false;
    this.trend = 0;
    this.gain = 0;
    this.power = 0;
    this.blocks = 0;
    this.port.onmessage = (event) => this.take(event.data);
  }

  /** @param {{ pts: number, when: number, channels: Float32Array[] }} block */
  take({ pts, when, channels }) {
    this.anchor = { index: this.written, when, pts };
    const [left, right = left] = channels;
    for (let i = 0; i < left.length; i++) {
      this.ring[0][(this.written + i) & MASK] = left[i];
      this.ring[1][(this.written + i) & MASK] = right[i];
    }
    this.written += left.length;
    this.read = Math.max(this.read, this.written - SIZE + 8);
  }

  /** Seconds by which the sample at `read` is late. */
  late() {
    return currentTime - this.anchor.when - (this.read - this.anchor.index) / this.rate;
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, [output]) {
    const frames = output[0].length;
    let late = this.late();
    if (!this.playing || Math.abs(late) > JUMP) {
      this.gain = this.trend = 0;
      if (late > 0) this.read = Math.min(Math.max(1, Math.round(this.read + late * this.rate)), this.written);
      late = this.late();
      this.playing = late > -frames / sampleRate && this.written - this.read > frames;
    }
    this.trend += (late - this.trend) / 32;
    const step = (this.rate / sampleRate) * (1 + Math.max(-STEER, Math.min(STEER, this.trend / 2)));
    if (this.playing && this.read + frames * step + 3 > this.written) this.playing = false;
    if (this.playing) this.render(output, frames, step);
    this.report(late);
    return true;
  }

  /** @param {Float32Array[]} output @param {number} frames @param {number} step */
  render(output, frames, step) {
    for (let i = 0; i < frames; i++) {
      const at = Math.floor(this.read);
      const t = this.read - at;
      this.gain = Math.min(1, this.gain + 0.004);
      for (let c = 0; c < output.length; c++) {
        const ring = this.ring[c & 1];
        const [a, b, d, e] = [ring[(at - 1) & MASK], ring[at & MASK], ring[(at + 1) & MASK], ring[(at + 2) & MASK]];
        const value = b + 0.5 * t * (d - a + t * (2 * a - 5 * b + 4 * d - e + t * (3 * (b - d) + e - a)));
        output[c][i] = value * this.gain;
      }
      this.power += output[0][i] * output[0][i];
      this.read += step;
    }
  }

  /** @param {number} late */
  report(late) {
    if (++this.blocks < 32) return;
    const pts = this.playing ? this.anchor.pts + ((this.read - this.anchor.index) / this.rate) * 1000 : NaN;
    this.port.postMessage({ pts, at: currentTime, late, level: Math.sqrt(this.power / (32 * 128)) });
    this.blocks = 0;
    this.power = 0;
  }
}

const SIZE = 1 << 17;
const MASK = SIZE - 1;
const JUMP = 0.1;
const STEER = 0.015;

registerProcessor("firstlight-sound", SoundProcessor);
