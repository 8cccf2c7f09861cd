/** What people call a codec, from its RFC 6381 string: `H.265 (hvc1.1.6.L93.B0)`. */

/** @param {string} codec */
export function codecName(codec) {
  const found = NAMES.find(([start]) => codec.toLowerCase().startsWith(start));
  return found ? `${found[1]} (${codec})` : codec;
}

const NAMES = [
  ["avc", "H.264"],
  ["hvc", "H.265"],
  ["hev", "H.265"],
  ["av01", "AV1"],
  ["vp8", "VP8"],
  ["vp09", "VP9"],
  ["mp4a", "AAC"],
  ["opus", "Opus"],
];
