/**
 * Reads the machine-readable clock of the test picture (docs/ref/clock-code.md, version 1).
 *
 * Works on anything a canvas can draw, at any scale, as long as it is the whole picture. Returns null unless the finder
 * cells stand out and the CRC fits: a picture without the code is never taken for one.
 */

/** @param {CanvasImageSource} picture @param {number} width @param {number} height @returns {number | null} Unix ms */
export function readClock(picture, width, height) {
  if (width < 64 || height < 64) return null;
  canvas ??= document.createElement("canvas");
  const top = Math.floor((height * 30) / 32);
  canvas.width = width;
  canvas.height = height - top;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return null;
  try {
    context.drawImage(picture, 0, top, width, canvas.height, 0, 0, width, canvas.height);
    const { data } = context.getImageData(0, 0, width, canvas.height);
    return decode((row, column) => cell(data, width, height, top, row, column));
  } catch {
    return null; // a picture from another origin without CORS
  }
}

/** @param {(row: number, column: number) => number} value 0…765, the cell's brightness */
export function decode(value) {
  const light = FINDER.light.map(([r, c]) => value(r, c));
  const dark = FINDER.dark.map(([r, c]) => value(r, c));
  const [high, low] = [mean(light), mean(dark)];
  const middle = (high + low) / 2;
  if (high - low < 3 * 51 || light.some((v) => v <= middle) || dark.some((v) => v >= middle)) return null;
  let [time, crc, expected] = [0, 0xfff, 0];
  for (let bit = 0; bit < 56; bit++) {
    const one = value(bit < 28 ? 0 : 1, 2 + (bit % 28)) > middle ? 1 : 0;
    if (bit >= 44) expected = expected * 2 + one;
    else {
      time = time * 2 + one;
      crc = ((crc << 1) & 0xfff) ^ (crc >> 11 === one ? 0 : 0x80f);
    }
  }
  return crc === expected ? time : null;
}

/** @param {Uint8ClampedArray} data @param {number} width @param {number} height @param {number} top @param {number} row @param {number} column */
function cell(data, width, height, top, row, column) {
  const [x0, x1] = middle(column, width);
  const [y0, y1] = middle(30 + row, height);
  let sum = 0;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const at = ((y - top) * width + x) * 4;
      sum += data[at] + data[at + 1] + data[at + 2];
    }
  }
  return sum / ((x1 - x0) * (y1 - y0));
}

/** @param {number} index @param {number} size @returns {[number, number]} */
function middle(index, size) {
  const from = Math.round(((index + 0.25) * size) / 32);
  const to = Math.round(((index + 0.75) * size) / 32);
  const centre = Math.floor(((index + 0.5) * size) / 32);
  return to > from ? [from, to] : [centre, centre + 1];
}

/** @param {number[]} values */
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** @type {HTMLCanvasElement | undefined} */
let canvas;

const FINDER = {
  light: [[0, 0], [1, 1], [0, 31], [1, 30]],
  dark: [[0, 1], [1, 0], [0, 30], [1, 31]],
};
