/**
 * The `webcodecs` message, version 1 (docs/ref/websocket.md): one unit after another until the message ends.
 *
 * A message that breaks the layout throws; nothing is read outside it. Payloads are views, not copies.
 */

/**
 * @typedef {object} Unit
 * @property {number} track
 * @property {boolean} randomAccess
 * @property {boolean} disposable
 * @property {number} pts microseconds
 * @property {number} captured Unix microseconds by the server's clock, 0 if unknown
 * @property {Uint8Array<ArrayBuffer>} data
 */

/** @param {ArrayBuffer} message @returns {Generator<Unit, void>} */
export function* units(message) {
  const view = new DataView(message);
  for (let at = 0; at < message.byteLength; ) {
    if (message.byteLength - at < HEADER) throw new Error(`unit at byte ${at}: header cut off`);
    if (view.getUint8(at) !== 1) throw new Error(`unit at byte ${at}: version ${view.getUint8(at)}`);
    const length = view.getUint32(at + 4);
    if (message.byteLength - at - HEADER < length) throw new Error(`unit at byte ${at}: payload cut off`);
    const flags = view.getUint8(at + 2);
    yield {
      track: view.getUint8(at + 1),
      randomAccess: (flags & 1) !== 0,
      disposable: (flags & 2) !== 0,
      pts: Number(view.getBigInt64(at + 8)),
      captured: Number(view.getBigInt64(at + 16)),
      data: new Uint8Array(message, at + HEADER, length),
    };
    at += HEADER + length;
  }
}

/** @param {string | null | undefined} text base64 */
export function fromBase64(text) {
  return text ? Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) : undefined;
}

const HEADER = 24;
