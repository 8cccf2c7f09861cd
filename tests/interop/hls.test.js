/** HLS in browsers: hls.js in low-latency mode, from a page of another server, in Chromium and Firefox; and a bare `<video>` in Chromium. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, until, wait } from "./harness/browser.js";
import { Server } from "./harness/server.js";
import { Site } from "./harness/site.js";

/** Each browser plays for so long. `HLS_SECONDS=600 node --test hls.test.js` is the ten minutes that docs/performance.md quotes. */
const SECONDS = Number(process.env.HLS_SECONDS ?? 15);
/** Of half of the looks, in seconds, and how often it may stall: far above what is usual (1.3 s and none), which is printed. */
const [LATENCY, STALLS] = [2.5, 3];

/** @type {Site} */ let site;
/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

/** A page on which hls.js plays, with what it sees. */
function page() {
  return `<!doctype html><video muted autoplay playsinline width="640"></video><script src="/hls.js"></script><script>
      const video = document.querySelector("video");
      const seen = { errors: [], waits: 0, playing: false };
      // As docs/ref/endpoints/hls.md has it.
      const hls = new Hls({
        lowLatencyMode: true, liveSyncDuration: 1, liveMaxLatencyDuration: 2.5, liveSyncOnStallIncrease: 0.1, maxLiveSyncPlaybackRate: 1.2,
      });
      hls.on(Hls.Events.ERROR, (_, data) => data.fatal && seen.errors.push(data.details + ": " + (data.error?.message ?? "")));
      video.addEventListener("playing", () => (seen.playing = true));
      video.addEventListener("waiting", () => seen.waits++);
      hls.loadSource("${server.url}front/index.m3u8");
      hls.attachMedia(video);
      hls.on(Hls.Events.MANIFEST_PARSED, () => video.play().catch((error) => seen.errors.push(String(error))));
      globalThis.look = () => ({
        ...seen, at: video.currentTime, width: video.videoWidth,
        latency: hls.playingDate ? (Date.now() - hls.playingDate.getTime()) / 1000 : null,
        heard: video.webkitAudioDecodedByteCount ?? null,
      });
    </script>`;
}

/** Lets hls.js play in a browser for so many seconds. @param {Browser} browser @param {number} seconds */
async function play(browser, seconds) {
  const tab = await browser.open(`${site.origin}/low`);
  const look = () => tab.evaluate(() => /** @type {any} */ (globalThis).look());
  await until("it plays", look, (now) => now.playing && now.at > 0 && now.latency !== null, 30_000);
  await wait(8_000); // until it has caught up
  const begun = await look();
  /** @type {number[]} */
  const latencies = [];
  for (let second = 0; second < seconds; second++) {
    await wait(1_000);
    latencies.push((await look()).latency);
  }
  const ended = await look();
  const sorted = latencies.toSorted((a, b) => a - b);
  console.log(`latency ${sorted[0].toFixed(2)} to ${sorted.at(-1)?.toFixed(2)} s, ${ended.waits - begun.waits} stalls in ${seconds} s`);
  assert.deepEqual(ended.errors, []);
  assert.equal(ended.width, 640);
  assert.ok(ended.heard !== 0, "with sound");
  assert.ok(ended.waits - begun.waits <= STALLS, `${ended.waits - begun.waits} stalls`);
  assert.ok(ended.at - begun.at > seconds * 0.8, `it moved on by ${ended.at - begun.at} s`);
  assert.ok(sorted[Math.floor(sorted.length / 2)] <= LATENCY, `latencies: ${latencies.map((l) => l.toFixed(2)).join(" ")}`);
  assert.deepEqual(tab.complaints, []);
  await tab.close();
}

before(async () => {
  site = await Site.start();
  server = await Server.start(
    `[http]\nallow_origins = ["${site.origin}"]\n[streams.front]\nsource = { test = { width = 640, height = 360, fps = 30, gop = 30, audio = "aac" } }\n`,
  );
  browser = await Browser.start();
  site.page("/hls.js", "node_modules/hls.js/dist/hls.min.js");
  site.write("/low", page());
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await site?.stop();
});

test("hls.js plays with low latency", () => play(browser, SECONDS));

test("hls.js plays with low latency in Firefox", async () => {
  const firefox = await Browser.firefox();
  try {
    await play(firefox, SECONDS);
  } finally {
    await firefox.stop();
  }
});

test("a bare video element plays the playlist by itself", async () => {
  const tab = await browser.open(`${server.url}health`);
  await tab.setContent(`<video src="${server.url}front/index.m3u8" autoplay muted></video>`);
  const look = () =>
    tab.evaluate(() => {
      const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
      return { at: video.currentTime, width: video.videoWidth, error: video.error?.message ?? null };
    });
  const begun = await until("it plays", look, (now) => now.error !== null || (now.width > 0 && now.at > 0), 30_000);
  assert.deepEqual([begun.error, begun.width], [null, 640]);
  await until("it goes on", look, (now) => now.error !== null || now.at > begun.at + 2, 20_000);
  assert.equal((await look()).error, null);
  await tab.close();
});
