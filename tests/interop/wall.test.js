/** The wall in Chromium: what it shows of heavy cameras. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, screenshot, until } from "./harness/browser.js";
import { Server } from "./harness/server.js";

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  server = await Server.start(`
    [streams.front]
    source = { test = { width = 1280, height = 720, fps = 30 } }
    [streams.small]
    source = { from = "front", video = { width = 320 } }
    [streams.yard]
    source = { test = { width = 640, height = 360, fps = 15 } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** @param {import("puppeteer-core").Page} tab */
const tiles = (tab) =>
  tab.evaluate(() =>
    [...document.querySelectorAll(".tile")].map((tile) => {
      const player = /** @type {any} */ (tile.querySelector("firstlight-player"));
      const still = /** @type {HTMLImageElement} */ (tile.querySelector("img.still"));
      return {
        name: tile.querySelector("h2")?.textContent,
        leads: /** @type {HTMLAnchorElement} */ (tile).pathname,
        shows: new URL(player.src, location.href).pathname,
        state: player.state,
        width: player.stats?.width ?? null,
        still: still.hidden ? null : still.naturalWidth,
      };
    }),
  );

test("a camera with a smaller stream made from it is shown by that one, and has one tile", async () => {
  const tab = await browser.open(server.url);
  const live = (/** @type {any[]} */ all) => all.length === 2 && all.every((tile) => tile.state === "live" && tile.width);
  const [front, yard] = await until("both live", () => tiles(tab), live, 20_000);
  assert.deepEqual([front.name, front.leads, front.shows, front.width], ["front", "/front/", "/small/", 320]);
  assert.deepEqual([yard.name, yard.leads, yard.shows, yard.width], ["yard", "/yard/", "/yard/", 640]);
  await screenshot(tab, "wall-preview");
  assert.deepEqual(tab.complaints, []);
  await tab.close();
});

test("a camera that has no place for a live picture shows a still", async () => {
  const tab = await browser.open(`${server.url}health`);
  // A browser that bears nothing but one: every stream looks like eight times 4K.
  await tab.evaluateOnNewDocument(() => {
    const ask = globalThis.fetch;
    globalThis.fetch = async (...request) => {
      const answer = await ask(...request);
      if (!String(request[0]).includes("/api/v1/streams")) return answer;
      const streams = await answer.json();
      for (const stream of streams) {
        stream.made_from = null;
        stream.tracks = [{ kind: "video", codec: "avc1", codec_name: "H.264", width: 3840, height: 2160 }];
      }
      return Response.json(streams);
    };
  });
  await tab.goto(server.url);
  const one = (/** @type {any[]} */ all) =>
    all.filter((tile) => tile.state === "live").length === 1 && all.filter((tile) => tile.still === 480 || tile.still === 320).length === 2;
  await until("one live, stills of the others", () => tiles(tab), one, 20_000);
  await screenshot(tab, "wall-stills");
  assert.deepEqual(tab.complaints, []);
  await tab.close();
});
