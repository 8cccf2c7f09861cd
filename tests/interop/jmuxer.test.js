/**
 * The camera recipe's page with two releases of jmuxer, behind a proxy as nginx is in the recipe, and jmuxer with sound.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, until, wait } from "./harness/browser.js";
import { Server } from "./harness/server.js";
import { Site } from "./harness/site.js";

/** @type {Server} */ let server;
/** @type {Site} */ let site;
/** @type {Browser} */ let browser;

before(async () => {
  site = await Site.start();
  server = await Server.start(`
    [http]
    allow_origins = ["${site.origin}"]
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30 } }
    [streams.sound]
    source = { test = { width = 640, height = 360, fps = 30 } }
    # Each page is the first viewer: a later one's sound may be off by one more picture and one more AAC unit.
    linger = "0s"
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await site?.stop();
});

for (const release of ["2.0.5", "2.1.1"]) {
  test(`the recipe's page plays with jmuxer ${release}, unchanged`, async (context) => {
    const tab = await open("rpicam", "rpicam.html", release, "front/ws/");
    const before = await until("first picture", () => tab.evaluate(look), (now) => now.time > 0);
    await wait(10_000);
    const now = await tab.evaluate(look);
    const total = now.total - before.total;
    const dropped = (now.dropped - before.dropped) / total;
    context.diagnostic(`${Math.round(now.ahead * 1000)} ms behind, ${(dropped * 100).toFixed(1)} % dropped`);
    assert.deepEqual(now.errors, []);
    assert.deepEqual(tab.complaints, []);
    assert.ok(now.time - before.time > 9, `played ${now.time - before.time} s of 10`);
    assert.ok(total > 280, `${total} pictures in 10 s`);
    assert.ok(now.ahead < 0.15, `${now.ahead * 1000} ms behind`);
    assert.ok(dropped < DROPPED_MOST, `${dropped * 100} % dropped`);
    await tab.close();
  });

  test(`jmuxer ${release} plays sound and picture from the A/V envelope together`, async () => {
    const tab = await open("rpicam/av", "rpicam-av.html", release, "sound/ws/?format=av");
    await until("first picture", () => tab.evaluate(look), (now) => now.time > 0);
    const before = await tab.evaluate(look);
    const beeps = await tab.evaluate(listen, { seconds: 8, reader: `${server.url}assets/clock-code.js` });
    const now = await tab.evaluate(look);
    assert.deepEqual(now.errors, []);
    assert.deepEqual(tab.complaints, []);
    assert.ok(now.time - before.time > 7, `played ${now.time - before.time} s of 8`);
    assert.ok(now.heard > before.heard, "sound is decoded");
    assert.ok(beeps.length >= 5, `${beeps.length} beeps in 8 s`);
    const apart = beeps.map(Math.abs).sort((a, b) => a - b)[Math.floor(beeps.length / 2)];
    assert.ok(apart < 80, `sound and picture are ${apart} ms apart: ${beeps}`);
    await tab.close();
  });
}

/** The page at `/{path}/`, its jmuxer, its socket. @param {string} path @param {string} file @param {string} release @param {string} socket */
async function open(path, file, release, socket) {
  site.page(`/${path}/`, `pages/${file}`);
  site.page(`/${path}/jmuxer.min.js`, `node_modules/jmuxer-${release}/dist/jmuxer.min.js`);
  site.socket(`/${path}/ws/`, `${server.url}${socket}`);
  return browser.open(`${site.origin}/${path}/`);
}

/** In the page: how it plays. */
function look() {
  const video = /** @type {HTMLVideoElement} */ (document.getElementById("player"));
  const quality = video.getVideoPlaybackQuality();
  const ranges = video.buffered;
  const page = /** @type {any} */ (window);
  return {
    time: video.currentTime,
    ahead: ranges.length ? ranges.end(ranges.length - 1) - video.currentTime : 0,
    total: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames,
    heard: /** @type {any} */ (video).webkitAudioDecodedByteCount,
    errors: [...page.errors, ...(video.error ? [video.error.message] : [])],
  };
}

/**
 * In the page: listens for the beep on each second and reads the clock of the picture shown at that moment; how many
 * milliseconds the picture is past the second.
 *
 * @param {{ seconds: number, reader: string }} options
 */
async function listen({ seconds, reader }) {
  const { readClock } = await import(reader);
  const video = /** @type {HTMLVideoElement} */ (document.getElementById("player"));
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, { fftSize: 512 });
  context.createMediaElementSource(video).connect(analyser).connect(context.destination);
  const samples = new Float32Array(512);
  /** @type {number[]} */
  const beeps = [];
  let quiet = false;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await new Promise((done) => setTimeout(done, 5));
    analyser.getFloatTimeDomainData(samples);
    const loud = Math.max(...samples) > 0.1;
    if (loud && quiet) {
      const shown = readClock(video, video.videoWidth, video.videoHeight);
      if (shown !== null) beeps.push(((shown + 500) % 1000) - 500);
    }
    quiet = !loud;
  }
  await context.close();
  return beeps;
}

/**
 * The page counts 33 ms a picture (jmuxer rounds 1000 / fps down), so its clock loses 10 ms a second. It begins with
 * 100 ms in hand, which lasts for these ten seconds; at the very edge of what has come Chromium counts each wait for a picture as
 * one dropped.
 */
const DROPPED_MOST = 0.05;
