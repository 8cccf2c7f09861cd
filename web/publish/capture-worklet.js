/** A microphone's samples, on the audio thread: handed over in blocks of 20 ms, each with the number of its first sample. */
class CaptureProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frames = Math.round(sampleRate / 50);
    this.first = 0;
    this.filled = 0;
    this.block = new Float32Array(2 * this.frames);
  }

  /** @param {Float32Array[][]} inputs */
  process([[left, right = left]]) {
    // An input without a device has no channels; its time goes on.
    for (let i = 0; i < (left?.length ?? 128); i++) {
      this.block[this.filled] = left?.[i] ?? 0;
      this.block[this.frames + this.filled] = right?.[i] ?? 0;
      if (++this.filled === this.frames) this.hand();
    }
    return true;
  }

  hand() {
    this.port.postMessage({ first: this.first, block: this.block }, [this.block.buffer]);
    this.first += this.frames;
    this.filled = 0;
    this.block = new Float32Array(2 * this.frames);
  }
}

registerProcessor("firstlight-capture", CaptureProcessor);
