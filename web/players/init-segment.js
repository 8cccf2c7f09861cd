/**
 * The tracks of an initialization segment (ISO/IEC 14496-12 `moov`), with the RFC 6381 strings that MSE wants to hear.
 *
 * Reads only what those strings need: sample entry, `avcC`, `hvcC`, `av1C`, `esds` (ISO/IEC 14496-14, -15). A segment
 * cut short ends the walk; it never throws.
 */

/** @param {ArrayBuffer} segment */
export function isInitSegment(segment) {
  return segment.byteLength > 8 && type(new DataView(segment), 0) === "ftyp";
}

/** @param {ArrayBuffer} segment @returns {TrackInfo[]} */
export function tracksOf(segment) {
  /** @type {TrackInfo[]} */
  const tracks = [];
  walk(new DataView(segment), 0, segment.byteLength, tracks);
  return tracks;
}

/** @param {DataView} view @param {number} from @param {number} to @param {TrackInfo[]} tracks */
function walk(view, from, to, tracks) {
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at);
    const end = at + size;
    if (size < 8 || end > to) return;
    const name = type(view, at);
    if (CONTAINERS.has(name)) walk(view, at + 8, end, tracks);
    else if (name === "stsd") entry(view, at + 16, end, tracks);
    at = end;
  }
}

/** The first sample entry. @param {DataView} view @param {number} at @param {number} end @param {TrackInfo[]} tracks */
function entry(view, at, end, tracks) {
  if (end - at < 36) return;
  const name = type(view, at);
  const id = tracks.length + 1;
  if (VISUAL.has(name) && end - at > 86) {
    const codec = visualCodec(name, view, at + 86, end);
    tracks.push({ id, kind: "video", codec, width: view.getUint16(at + 32), height: view.getUint16(at + 34) });
  } else if (AUDIO.has(name)) {
    const codec = name === "mp4a" ? aac(view, at + 36, end) : AUDIO.get(name) ?? name;
    tracks.push({ id, kind: "audio", codec, channels: view.getUint16(at + 24), sampleRate: view.getUint16(at + 32) });
  }
}

/** @param {string} name @param {DataView} view @param {number} at @param {number} end */
function visualCodec(name, view, at, end) {
  const box = find(view, at, end, ["avcC", "hvcC", "av1C"]);
  if (box < 0) return name;
  const byte = (/** @type {number} */ i) => view.getUint8(box + i);
  if (name.startsWith("avc")) return `${name}.${hex(byte(1))}${hex(byte(2))}${hex(byte(3))}`;
  if (name === "av01") {
    const bits = byte(2) & 0x40 ? (byte(2) & 0x20 ? "12" : "10") : "08";
    return `av01.${byte(1) >> 5}.${String(byte(1) & 31).padStart(2, "0")}${byte(2) & 0x80 ? "H" : "M"}.${bits}`;
  }
  const space = ["", "A", "B", "C"][byte(1) >> 6];
  let compatibility = 0;
  for (let i = 0; i < 32; i++) compatibility |= ((view.getUint32(box + 2) >>> i) & 1) << (31 - i);
  const constraints = [6, 7, 8, 9, 10, 11].map(byte);
  while (constraints.at(-1) === 0) constraints.pop();
  const tier = byte(1) & 0x20 ? "H" : "L";
  const parts = [name, space + (byte(1) & 31), (compatibility >>> 0).toString(16), tier + byte(12)];
  return [...parts, ...constraints.map((c) => c.toString(16))].join(".");
}

/** The audio object type, from the descriptors of `esds`. @param {DataView} view @param {number} at @param {number} end */
function aac(view, at, end) {
  const box = find(view, at, end, ["esds"]);
  for (let i = box + 4; box >= 0 && i + 2 < end; ) {
    const tag = view.getUint8(i++);
    let length = 0;
    for (let byte = 0x80; byte & 0x80 && i < end; ) {
      byte = view.getUint8(i++);
      length = (length << 7) | (byte & 0x7f);
    }
    if (tag === 3) i += 3;
    else if (tag === 4) i += 13;
    else if (tag === 5 && i < end) return `mp4a.40.${view.getUint8(i) >> 3}`;
    else i += length;
  }
  return "mp4a.40.2";
}

/** Where the content of the first box so named begins, or -1. @param {DataView} view @param {number} at @param {number} end @param {string[]} names */
function find(view, at, end, names) {
  for (let box = at; box + 8 <= end; ) {
    const size = view.getUint32(box);
    if (size < 8 || box + size > end) return -1;
    if (names.includes(type(view, box)) && size >= 8 + 4) return box + 8;
    box += size;
  }
  return -1;
}

/** @param {DataView} view @param {number} at */
function type(view, at) {
  return String.fromCharCode(...[4, 5, 6, 7].map((i) => view.getUint8(at + i)));
}

/** @param {number} byte */
const hex = (byte) => byte.toString(16).padStart(2, "0");

const CONTAINERS = new Set(["moov", "trak", "mdia", "minf", "stbl"]);
const VISUAL = new Set(["avc1", "avc3", "hvc1", "hev1", "av01", "vp08", "vp09"]);
const AUDIO = new Map([["mp4a", "mp4a.40.2"], ["Opus", "opus"], ["fLaC", "flac"]]);
