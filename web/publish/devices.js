/**
 * Cameras and microphones, and in words why there is none.
 */
import { canEncode, recorderType } from "./recorder.js";

/** @typedef {{ camera: string, microphone: string, width: number, height: number, fps: number }} Wanted device ids; "" whichever, "none" none */

/** What keeps this page from any device or encoder, or null. */
export function unable() {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    return `Browsers give a page the camera and the microphone over https only, or at localhost. Open this page at an https:// address (put a web server with a certificate in front of firstlight), or on the computer that firstlight runs on at http://localhost${location.port ? `:${location.port}` : ""}${location.pathname}.`;
  }
  if (!canEncode() && !recorderType()) {
    return "This browser cannot encode for a stream: it has no WebCodecs encoders, and records no MP4. A recent Chrome, Edge, Firefox or Safari can.";
  }
  return null;
}

/** Opens what is wanted. @param {Wanted} wanted @returns {Promise<MediaStream>} */
export async function open({ camera, microphone, width, height, fps }) {
  if (camera === "none" && microphone === "none") throw new Error("There is neither a camera nor a microphone to send.");
  const size = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps, max: fps } };
  return navigator.mediaDevices.getUserMedia({
    video: camera !== "none" && { ...size, ...(camera && { deviceId: { exact: camera } }) },
    audio: microphone !== "none" && { channelCount: { ideal: 2 }, ...(microphone && { deviceId: { exact: microphone } }) },
  });
}

/** The devices there are. Before permission they have no names. */
export async function list() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const of = (/** @type {string} */ kind) => devices.filter((device) => device.kind === kind);
  return { cameras: of("videoinput"), microphones: of("audioinput") };
}

/** @param {unknown} error of getUserMedia @param {{ cameras: unknown[], microphones: unknown[] } | null} found */
export function inWords(error, found) {
  const { name, message } = /** @type {DOMException} */ (error);
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "This page may not use the camera and the microphone. Allow it in the browser (the icon beside the address) or in the system's settings, then try again.";
    case "NotFoundError":
      if (found?.cameras.length) return "No microphone was found. Connect one, or choose “No microphone”.";
      if (found?.microphones.length) return "No camera was found. Connect one, or choose “No camera” to send sound only.";
      return "No camera and no microphone were found. Connect one and try again.";
    case "NotReadableError":
    case "AbortError":
      return "The camera or the microphone cannot be opened. Does another program use it?";
    case "OverconstrainedError":
      return "That camera or microphone is not there any more. Choose another.";
    default:
      return message || String(error);
  }
}
