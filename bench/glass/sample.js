/**
 * Runs inside the page: finds the picture that is shown and reads its clock each time a frame is presented.
 *
 * It must be self-contained, it is sent to the browser as text. The picture is the largest visible <video> or <canvas> in the
 * document and its shadow trees, looked for in every frame until one is read, then four times a second, as players change elements while
 * they start.
 *
 * @param {{ reader: string, transport: string, warmUpMs: number, windowMs: number }} options
 */
export async function sample({ reader, transport, warmUpMs, windowMs }) {
  const { readClock } = await import(reader);
  document.querySelector("firstlight-player")?.setAttribute("transport", transport);
  const opened = performance.timeOrigin;
  const now = () => performance.timeOrigin + performance.now();
  const inside = (root) =>
    [...root.querySelectorAll("*")].flatMap((e) => [e, ...(e.shadowRoot ? inside(e.shadowRoot) : [])]);
  const area = (e) => {
    const { width, height } = e.getBoundingClientRect();
    const shown = e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    return shown && sizeOf(e)[0] >= 64 ? width * height : 0;
  };
  const sizeOf = (e) => (e.tagName === "VIDEO" ? [e.videoWidth, e.videoHeight] : [e.width, e.height]);
  const find = () =>
    inside(document)
      .filter((e) => e.tagName === "VIDEO" || e.tagName === "CANVAS")
      .sort((a, b) => area(b) - area(a))
      .find((e) => area(e) > 0) ?? null;

  /** @type {{ time: number, age: number }[]} */
  let pictures = [];
  let [element, lookedAt, firstMs, last, unread, quality] = [null, 0, null, 0, 0, null];
  let recordFrom = Infinity;
  let running = true;

  const read = () => {
    const seen = now();
    const time = readClock(element, ...sizeOf(element));
    if (time === null) unread += seen >= recordFrom ? 1 : 0;
    else if (time !== last) {
      last = time;
      firstMs ??= seen - opened;
      if (seen >= recordFrom) pictures.push({ time, age: seen - time });
    }
  };
  const onAnimation = () => {
    if (!running) return;
    if (firstMs === null || now() - lookedAt > 250) {
      lookedAt = now();
      const found = find();
      if (found !== element) {
        element = found;
        if (element?.tagName === "VIDEO") onVideo(element);
      }
    }
    if (element?.tagName === "CANVAS") read();
    requestAnimationFrame(onAnimation);
  };
  const onVideo = (video) => {
    video.requestVideoFrameCallback(() => {
      if (!running || video !== element) return;
      read();
      onVideo(video);
    });
  };
  requestAnimationFrame(onAnimation);

  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const limit = now() + 15000;
  while (firstMs === null && now() < limit) await wait(50);
  await wait(warmUpMs);
  const playback = () => element?.getVideoPlaybackQuality?.();
  const before = playback();
  recordFrom = now();
  await wait(windowMs);
  running = false;
  const after = playback();
  if (before && after) {
    quality = {
      total: after.totalVideoFrames - before.totalVideoFrames,
      dropped: after.droppedVideoFrames - before.droppedVideoFrames,
    };
  }
  return { element: element?.tagName ?? null, seconds: windowMs / 1000, firstMs, pictures, quality, unread };
}
