/** Moving JPEGs in Chromium: a bare `<img>`, and the player where nothing else plays. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, screenshot, until } from "./harness/browser.js";
import { live, look } from "./harness/player.js";
import { Server } from "./harness/server.js";

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  server = await Server.start(`[streams.front]\nsource = { test = { width = 640, height = 360, fps = 30 } }\n`);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

test("a bare img shows the picture, and it moves", async () => {
  const tab = await browser.open(`${server.url}health`);
  await tab.setContent(`<img src="${server.url}front/mjpeg?width=320&fps=10">`);
  const seen = () =>
    tab.evaluate(() => {
      const image = /** @type {HTMLImageElement} */ (document.querySelector("img"));
      if (!image.naturalWidth) return null;
      const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
      canvas.getContext("2d")?.drawImage(image, 0, 0);
      return { size: `${image.naturalWidth}x${image.naturalHeight}`, picture: canvas.toDataURL() };
    });
  const first = await until("a picture", seen, (now) => now !== null, 10_000);
  assert.equal(first.size, "320x180");
  await until("another picture", seen, (now) => now !== null && now.picture !== first.picture, 10_000);
  await tab.close();
});

test("a snapshot shows the time it was painted, in true colours", async () => {
  const tab = await browser.open(`${server.url}health`);
  const seen = await tab.evaluate(async () => {
    const { readClock } = await import(/** @type {any} */ ("/assets/clock-code.js"));
    const picture = await createImageBitmap(await (await fetch("/front/snapshot.jpg")).blob());
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.drawImage(picture, 0, 0);
    // The bar of colours under the pattern: grey, yellow, cyan, green, magenta, red, blue. Each by the mean of a patch: a single pixel of a
    // coarsely coded picture may be far off.
    const bars = [0, 1, 2, 3, 4, 5, 6].map((bar) => {
      const patch = context.getImageData(((bar + 0.5) * 640) / 7 - 20, 316, 40, 8).data;
      return [0, 1, 2].map((part) => Math.round(patch.filter((_, at) => at % 4 === part).reduce((sum, value) => sum + value, 0) / (40 * 8)));
    });
    return { painted: readClock(canvas, picture.width, picture.height), now: Date.now(), bars };
  });
  assert.ok(seen.painted !== null && Math.abs(seen.now - seen.painted) < 10_000, JSON.stringify(seen));
  for (const [bar, lit] of [[3, [false, true, false]], [5, [true, false, false]], [6, [false, false, true]]]) {
    const colour = seen.bars[/** @type {number} */ (bar)];
    const dim = colour.every((value, at) => (/** @type {boolean[]} */ (lit)[at] ? value > 150 && value < 220 : value < 50));
    assert.ok(dim, `bar ${bar} is ${colour}`);
  }
  await tab.close();
});

test("without WebRTC, WebCodecs and Media Source the player plays by it, and says so", async () => {
  const tab = await browser.open(`${server.url}health`);
  await tab.evaluateOnNewDocument(() => {
    for (const name of ["VideoDecoder", "MediaSource", "ManagedMediaSource", "RTCPeerConnection"]) delete (/** @type {any} */ (globalThis)[name]);
  });
  await tab.goto(`${server.url}front/`);
  await live(tab, "mjpeg");
  const now = await until("figures", () => look(tab), (now) => (now.stats?.fps ?? 0) > 3, 10_000);
  assert.equal(now.stats.transport, "mjpeg");
  assert.deepEqual([now.stats.width, now.stats.height], [640, 360]);
  assert.deepEqual(now.tracks, ["video"]);
  await screenshot(tab, "player-mjpeg");
  await tab.close();
});

test("it is a fallback and no trap: the transport that failed takes over again when it can", async () => {
  const tab = await browser.open(`${server.url}health`);
  await tab.evaluateOnNewDocument(() => {
    const real = MediaSource.isTypeSupported;
    for (const name of ["VideoDecoder", "RTCPeerConnection"]) delete (/** @type {any} */ (globalThis)[name]);
    MediaSource.isTypeSupported = (type) => !(/** @type {any} */ (globalThis).broken ?? true) && real.call(MediaSource, type);
    // The half minute a failed transport is passed over, in a quarter of the time.
    const [later, now] = [setTimeout, performance.now.bind(performance)];
    globalThis.setTimeout = /** @type {any} */ ((/** @type {any} */ work, /** @type {number} */ ms) => later(work, ms / 4));
    performance.now = () => now() * 4;
  });
  await tab.goto(`${server.url}front/`);
  await live(tab, "mjpeg");
  await tab.evaluate(() => void (/** @type {any} */ (globalThis).broken = false));
  await live(tab, "mse", 60_000);
  await tab.close();
});
