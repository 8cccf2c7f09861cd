/**
 * What the wall shows of a stream, and what that costs the browser.
 *
 * A stream that is made from another and smaller than it (a derived one) stands for that other on its tile, and needs none of its own. A tile's weight
 * is the pixels its decoder must make each second, in units of 720p30: what a laptop decodes sixteen of without noticing.
 */

/**
 * The smaller stream that each stream is shown by, by name.
 *
 * @param {StreamInfo[]} streams @returns {Map<string, StreamInfo>}
 */
export function previews(streams) {
  /** @type {Map<string, StreamInfo>} */
  const found = new Map();
  for (const origin of streams) {
    const smaller = streams.filter((stream) => stream.made_from === origin.name && pixels(stream, 0) < pixels(origin, Infinity));
    // One that never ran is of unknown size, and probably small: why else would it be there?
    const best = smaller.sort((a, b) => pixels(a, USUAL_PREVIEW) - pixels(b, USUAL_PREVIEW))[0];
    if (best) found.set(origin.name, best);
  }
  return found;
}

/** @param {StreamInfo} stream */
export function weight(stream) {
  const rate = stream.fps || 30;
  return Math.max(LIGHTEST, (pixels(stream, 1280 * 720) * rate) / (1280 * 720 * 30));
}

/** @param {StreamInfo} stream @param {number} unknown */
function pixels(stream, unknown) {
  const video = stream.tracks.find((track) => track.kind === "video");
  return video?.width && video.height ? video.width * video.height : unknown;
}

/** A decoder costs something, however small its pictures. */
const LIGHTEST = 0.25;
const USUAL_PREVIEW = 640 * 360;
