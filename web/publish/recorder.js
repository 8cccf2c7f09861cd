/**
 * The browser's recorder, for browsers whose encoders a page cannot reach: MP4 in movie fragments, H.264 with AAC or Opus.
 *
 * A fragment is handed over when the next one begins, so this is half a second and more behind the encoders; and nothing can be left out of a file:
 * a connection that is too slow for it has to begin anew.
 */

/** Whether a page can encode by itself, which is better (picture.js, voice.js). */
export const canEncode = () => "VideoEncoder" in window && "AudioEncoder" in window;

/** A type that this browser records and the server takes, or null. */
export function recorderType() {
  if (!("MediaRecorder" in window)) return null;
  return TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? null;
}

export class Recorder {
  #recorder;
  #closed = false;
  /** Pieces are read one after another. */
  #read = Promise.resolve();

  /**
   * @param {MediaStream} stream @param {string} mimeType @param {import("./picture.js").Quality} quality
   * @param {{ piece: (bytes: Uint8Array<ArrayBuffer>) => void, failed: (message: string) => void }} on
   */
  constructor(stream, mimeType, { bitrate }, on) {
    /** @type {MediaRecorderOptions & { videoKeyFrameIntervalDuration: number }} */
    const options = { mimeType, videoBitsPerSecond: bitrate, audioBitsPerSecond: 96_000, videoKeyFrameIntervalDuration: FRAGMENT };
    this.#recorder = new MediaRecorder(stream, options);
    const fail = (/** @type {unknown} */ error) => {
      if (this.#closed) return;
      this.close();
      on.failed(String(error));
    };
    this.#recorder.ondataavailable = ({ data }) => {
      this.#read = this.#read
        .then(async () => {
          const bytes = new Uint8Array(await data.arrayBuffer());
          if (bytes.length && !this.#closed) on.piece(bytes);
        })
        .catch(fail);
    };
    this.#recorder.onerror = (event) => fail(/** @type {any} */ (event).error ?? "the recorder stopped");
    this.#recorder.start(PIECE);
  }

  close() {
    this.#closed = true;
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
  }
}

const TYPES = ["video/mp4;codecs=avc1.42E01F,opus", "video/mp4;codecs=avc1.42E01F,mp4a.40.2"];
/** Milliseconds: a fragment begins with a picture that stands alone. */
const FRAGMENT = 500;
const PIECE = 100;
