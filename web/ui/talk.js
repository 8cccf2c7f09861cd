/**
 * Talking to where the camera is: a voice goes out by WHIP while a button is held, to the stream `NAME/talk` (docs/ref/player.md).
 *
 * The microphone and the connection are opened by the first press and kept for half a minute after the last, so that the next word is
 * not lost to their opening. In between the microphone is silent, and the browser shows that it is in use.
 */
import { inWords, unable } from "../publish/devices.js";
import { leave, offered } from "../players/whip.js";

/** @typedef {"off" | "opening" | "talking" | "quiet" | "failed"} TalkState */

export class Talk {
  #address;
  #tell;
  #held = false;
  /** @type {Promise<void> | null} */
  #opening = null;
  /** @type {MediaStream | null} */
  #voice = null;
  /** @type {RTCPeerConnection | null} */
  #peer = null;
  /** @type {string | null} where the server keeps the session */
  #resource = null;
  #idle = 0;
  /** Counts what was closed: an opening that is overtaken by it ends without a trace. */
  #closed = 0;

  /** @param {import("../players/address.js").Address} address of the stream that is talked to @param {(state: TalkState, words: string) => void} tell */
  constructor(address, tell) {
    this.#address = address;
    this.#tell = tell;
  }

  /** The button is down. */
  press() {
    if (this.#held) return;
    this.#held = true;
    clearTimeout(this.#idle);
    this.#opening ??= this.#open(this.#closed);
    this.#speak();
  }

  /** The button is up. */
  release() {
    if (!this.#held) return;
    this.#held = false;
    this.#speak();
    this.#idle = setTimeout(() => this.close(), KEPT);
  }

  close() {
    this.#closed++;
    clearTimeout(this.#idle);
    this.#held = false;
    this.#voice?.getTracks().forEach((track) => track.stop());
    if (this.#peer) leave(this.#peer, this.#resource);
    if (this.#opening) this.#tell("off", "");
    [this.#opening, this.#voice, this.#peer, this.#resource] = [null, null, null, null];
  }

  /** @param {number} closed */
  async #open(closed) {
    try {
      await this.#connect(() => closed !== this.#closed);
    } catch (error) {
      if (closed === this.#closed) this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {() => boolean} isOver */
  async #connect(isOver) {
    this.#tell("opening", "One moment");
    const obstacle = unable();
    if (obstacle) throw new Error(obstacle);
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const voice = await navigator.mediaDevices.getUserMedia({ audio }).catch((error) => {
      throw new Error(error.name === "NotFoundError" ? "No microphone was found. Connect one and try again." : inWords(error, null));
    });
    // Whoever is asked for the microphone may take long to answer.
    if (isOver()) return voice.getTracks().forEach((track) => track.stop());
    this.#voice = voice;
    this.#speak();
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#peer = peer;
    for (const track of voice.getAudioTracks()) peer.addTransceiver(track, { direction: "sendonly", streams: [voice] });
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "connected") this.#speak();
      if (peer.connectionState === "failed" && !isOver()) this.#fail("The voice finds no way through the network to this server.");
    };
    await peer.setLocalDescription();
    const { resource, answer } = await offered(this.#address.below("whip"), peer.localDescription?.sdp ?? "");
    if (isOver()) return leave(peer, resource);
    this.#resource = resource;
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
  }

  /** Lets the voice through or not, and says so. */
  #speak() {
    this.#voice?.getAudioTracks().forEach((track) => (track.enabled = this.#held));
    if (this.#peer?.connectionState === "connected") this.#tell(this.#held ? "talking" : "quiet", this.#held ? "You are heard" : "");
  }

  /** @param {string} words */
  #fail(words) {
    this.close();
    this.#tell("failed", words);
  }
}

/** So long microphone and connection are kept after the last word, ms. */
const KEPT = 30_000;
