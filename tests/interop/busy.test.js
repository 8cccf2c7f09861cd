/** A server that is full: the player says why, shows a still instead of nothing, and plays as soon as there is room. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, screenshot, until } from "./harness/browser.js";
import { Server } from "./harness/server.js";

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  server = await Server.start(`
    [limits]
    viewers = 1
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30 } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** @param {import("puppeteer-core").Page} tab */
const look = (tab) =>
  tab.evaluate(() => {
    const player = /** @type {any} */ (document.querySelector("firstlight-player"));
    const still = player.shadowRoot.querySelector(".still.shown");
    const badge = player.shadowRoot.querySelector(".badge");
    return {
      state: player.state,
      reason: player.reason,
      still: still ? [still.naturalWidth, still.naturalHeight] : null,
      badge: badge.hidden ? null : badge.textContent,
    };
  });

test("whoever is turned away is told why, sees a still, and comes in when another leaves", async () => {
  const first = await browser.open(`${server.url}front/`);
  await until("somebody watches", () => look(first), (now) => now.state === "live");
  const tab = await browser.open(`${server.url}front/`);
  const busy = await until("busy", () => look(tab), (now) => now.state === "busy" && now.still !== null);
  assert.match(busy.reason, /as many watch as may \(1\)/);
  assert.deepEqual(busy.still, [640, 360]);
  assert.match(busy.badge ?? "", /No room just now.*as many watch as may/);
  await screenshot(tab, "player-busy");
  const phone = await browser.open(`${server.url}front/`, { phone: true });
  await until("busy on a phone", () => look(phone), (now) => now.state === "busy" && now.still !== null);
  await screenshot(phone, "player-busy-phone");
  await phone.close();
  await first.close();
  const live = await until("live", () => look(tab), (now) => now.state === "live", 20_000);
  assert.equal(live.still, null, "the still has made room");
  await tab.close();
});
