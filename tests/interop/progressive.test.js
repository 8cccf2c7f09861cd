/** `stream.mp4` in a bare `<video>` of Chromium. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
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

test("a bare video element plays stream.mp4, with sound in it, from a late start", async () => {
  const first = await browser.open(`${server.url}front/`);
  await until("the camera runs", () => first.evaluate(() => /** @type {any} */ (document.querySelector("firstlight-player")).state), (state) => state === "live");
  const tab = await browser.open(`${server.url}health`);
  await tab.setContent(`<video src="${server.url}front/stream.mp4" autoplay muted></video>`);
  const seen = () =>
    tab.evaluate(() => {
      const video = /** @type {HTMLVideoElement & { webkitAudioDecodedByteCount: number }} */ (document.querySelector("video"));
      return { at: video.currentTime, width: video.videoWidth, heard: video.webkitAudioDecodedByteCount, error: video.error?.message ?? null };
    });
  const begun = await until("it plays", seen, (now) => now.error !== null || (now.width > 0 && now.at > 0), 20_000);
  assert.equal(begun.error, null);
  assert.equal(begun.width, 640);
  await until("it goes on, with sound", seen, (now) => now.at > begun.at + 1 && now.heard > 0, 20_000);
  await tab.close();
  await first.close();
});
