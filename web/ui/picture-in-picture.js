/** Picture in picture for both kinds of surface: a `<video>` goes itself, a canvas by a video that shows its stream. */

/** @type {HTMLVideoElement | null} */
let relay = null;

/** @param {HTMLCanvasElement | HTMLVideoElement} surface */
export async function openPictureInPicture(surface) {
  if (surface instanceof HTMLVideoElement) return surface.requestPictureInPicture();
  relay ??= Object.assign(document.createElement("video"), { muted: true });
  relay.srcObject = surface.captureStream();
  await relay.play();
  return relay.requestPictureInPicture();
}

/** Whether this surface is in the little window. @param {Element | undefined} surface */
export function inPictureInPicture(surface) {
  const shown = document.pictureInPictureElement;
  return shown !== null && (shown === surface || (shown === relay && surface instanceof HTMLCanvasElement));
}

/** A reconnect made a new canvas: the little window goes on with it. @param {Element} surface */
export function followPictureInPicture(surface) {
  if (surface instanceof HTMLCanvasElement && relay && document.pictureInPictureElement === relay) {
    relay.srcObject = surface.captureStream();
    relay.play().catch(() => {});
  }
}
