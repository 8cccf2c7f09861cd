/**
 * One unit as a `webcodecs` message, version 1 (docs/ref/websocket.md): what players/units.js reads.
 *
 * @param {{ track: number, randomAccess: boolean, pts: number, captured: number, data: Uint8Array }} unit times in whole microseconds
 */
export function message({ track, randomAccess, pts, captured, data }) {
  const bytes = new Uint8Array(HEADER + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([1, track, randomAccess ? 1 : 0, 0]);
  view.setUint32(4, data.length);
  view.setBigInt64(8, BigInt(Math.round(pts)));
  view.setBigInt64(16, BigInt(Math.round(captured)));
  bytes.set(data, HEADER);
  return bytes;
}

const HEADER = 24;
