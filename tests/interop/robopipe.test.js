/**
 * Robopipe's player on the video socket for a minute: as it is, and losing a third of the messages. And the calls of its Studio,
 * from a page of another server.
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
  site.page("/robopipe/", "pages/robopipe.html");
  site.page("/robopipe/player", "pages/robopipe-player.html");
  site.page("/studio", "pages/plain.html");
  server = await Server.start(`
    [http]
    allow_origins = ["${site.origin}"]
    [robopipe]
    intra_only = true
    [streams."OAK1/CAM_A"]
    source = { test = { width = 640, height = 400, fps = 30 } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await site?.stop();
});

test("Robopipe's player plays for a minute, and so does one that loses each third message", { timeout: 90_000 }, async () => {
  const socket = `${server.url.replace("http", "ws")}cameras/OAK1/streams/CAM_A/video`;
  const tab = await browser.open(`${site.origin}/robopipe/?socket=${encodeURIComponent(socket)}`);
  const both = () => tab.evaluate(look);
  const before = await until("both play", both, (now) => now.every((player) => player.time > 0));
  await wait(SECONDS * 1000);
  const now = await both();
  assert.deepEqual(tab.complaints, []);
  for (const [index, player] of now.entries()) {
    const played = player.time - before[index].time;
    const said = JSON.stringify(player);
    assert.deepEqual(player.errors, [], said);
    assert.equal(player.error, null, said);
    assert.ok(played >= SECONDS * player.most, `${played} s of ${SECONDS}: ${said}`);
    assert.equal(player.ranges, 1, said);
    assert.ok(player.messages > SECONDS * 28, said);
  }
  assert.ok(now[0].busy < now[0].messages * 0.05, `the plain player was busy too often: ${JSON.stringify(now[0])}`);
});

test("Studio's calls are answered across origins: lists, the whole control object back, a still", async () => {
  const tab = await browser.open(`${site.origin}/studio`);
  const seen = await tab.evaluate(studio, server.url);
  assert.deepEqual(tab.complaints, []);
  assert.deepEqual(seen.cameras, ["OAK1"]);
  assert.deepEqual(seen.streams, [{ name: "CAM_A", active: true }]);
  assert.equal(seen.network, null);
  assert.deepEqual(seen.control, { status: 200, contrast: 4 });
  assert.deepEqual(seen.still, [640, 400]);
});

/** In the page: what Studio does. @param {string} url */
async function studio(url) {
  /** @param {string} path @param {RequestInit} [options] */
  const ask = (path, options) => fetch(new URL(path, url), options);
  const cameras = await (await ask("cameras/refresh?boot=true", { method: "POST" })).json();
  const stream = `cameras/${cameras[0].mxid}/streams/CAM_A`;
  const control = await (await ask(`${stream}/control`)).json();
  const body = JSON.stringify({ ...control, contrast: 4 });
  const set = await ask(`${stream}/control`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const still = await createImageBitmap(await (await ask(`${stream}/still?format=png`)).blob());
  return {
    cameras: cameras.map((/** @type {{ mxid: string }} */ camera) => camera.mxid),
    streams: await (await ask(`cameras/${cameras[0].mxid}/streams`)).json(),
    network: await (await ask(`${stream}/nn`)).json(),
    control: { status: set.status, contrast: (await set.json()).contrast },
    still: [still.width, still.height],
  };
}

/** In the page: how the two play. */
function look() {
  return ["plain", "busy"].map((id) => {
    const page = /** @type {any} */ (document.getElementById(id)).contentWindow;
    const video = page.document.getElementById("player");
    return {
      time: video.currentTime,
      error: video.error?.message ?? null,
      ranges: video.buffered.length,
      // A third of the messages is a third of the timeline: a page in "sequence" mode cannot know what it lost.
      most: id === "busy" ? 0.9 * (2 / 3) : 0.9,
      ...page.counts,
    };
  });
}

const SECONDS = 60;
