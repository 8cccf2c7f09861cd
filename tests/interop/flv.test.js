/** mpegts.js on both FLV outputs, from a page of another server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
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
    source = { test = { width = 640, height = 360, fps = 30, audio = "aac" } }
    [streams.opus]
    source = { test = { width = 640, height = 360, fps = 30, audio = "opus" } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await site?.stop();
});

for (const [name, address] of [
  ["HTTP", "front/stream.flv"],
  ["WebSocket", "front/ws?format=flv"],
  ["HTTP with Opus", "opus/stream.flv"],
]) {
  test(`mpegts.js plays FLV by ${name}, with sound`, async () => {
    const url = new URL(address, server.url);
    if (name === "WebSocket") url.protocol = "ws:";
    site.page("/mpegts.js", "node_modules/mpegts.js/dist/mpegts.js");
    site.write(
      "/flv/",
      `<!doctype html><video id="player" muted autoplay></video><script src="/mpegts.js"></script><script>
        window.errors = [];
        const player = mpegts.createPlayer({ type: "flv", isLive: true, url: "${url}" }, { enableWorker: false });
        player.on(mpegts.Events.ERROR, (...why) => window.errors.push(JSON.stringify(why)));
        player.attachMediaElement(document.getElementById("player"));
        player.load();
        player.play();
      </script>`,
    );
    const tab = await browser.open(`${site.origin}/flv/`);
    const look = () =>
      tab.evaluate(() => {
        const video = /** @type {HTMLVideoElement & { webkitAudioDecodedByteCount: number }} */ (document.getElementById("player"));
        const { totalVideoFrames } = video.getVideoPlaybackQuality();
        const errors = /** @type {any} */ (window).errors;
        return { at: video.currentTime, width: video.videoWidth, pictures: totalVideoFrames, heard: video.webkitAudioDecodedByteCount, errors };
      });
    const begun = await until("it plays", look, (now) => now.errors.length > 0 || (now.width > 0 && now.pictures > 0), 20_000);
    assert.deepEqual(begun.errors, []);
    assert.equal(begun.width, 640);
    const now = await until("it goes on, with sound", look, (now) => now.at > begun.at + 2 && now.heard > 0, 30_000);
    assert.deepEqual(now.errors, []);
    assert.ok(now.pictures - begun.pictures > 45, `${now.pictures - begun.pictures} pictures in 2 s`);
    assert.deepEqual(tab.complaints, []);
    await tab.close();
  });
}
