/**
 * Our own player in Chromium by each transport, and in Firefox: it plays, survives a stalled network, a server that is killed and
 * started again, and a hidden tab; and it plays in a foreign page.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, screenshot, until, wait } from "./harness/browser.js";
import { Network } from "./harness/network.js";
import { ages, listen, live, look } from "./harness/player.js";
import { Server } from "./harness/server.js";
import { Site } from "./harness/site.js";

const TRANSPORTS = ["webcodecs", "mse"];

/** @type {string} */ let config;
/** @type {Server} */ let server;
/** @type {Site} */ let site;
/** @type {Network} */ let network;
/** @type {Browser} */ let browser;

before(async () => {
  site = await Site.start();
  site.page("/embed", "pages/embed.html");
  config = `
    [http]
    allow_origins = ["${site.origin}"]
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30 } }
  `;
  server = await Server.start(config);
  network = await Network.to(server.port);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await network?.stop();
  await server?.stop();
  await site?.stop();
});

for (const transport of TRANSPORTS) {
  test(`${transport}: live at once, every picture, sound, and less than a second old`, async () => {
    const tab = await browser.open(`${server.url}front/`);
    await listen(tab, transport);
    await live(tab, transport);
    await wait(2500);
    const measured = await ages(tab);
    const now = await look(tab);
    assert.equal(now.state, "live");
    assert.deepEqual(now.troubles, []);
    assert.deepEqual(tab.complaints, []);
    assert.deepEqual(now.tracks, ["audio", "video"]);
    assert.ok(now.stats.fps >= 27, `${now.stats.fps} pictures a second`);
    assert.equal(measured.length, 10, "the clock in the picture is read each time");
    assert.ok(measured.every((age) => age > 0 && age < 1000), `ages: ${measured}`);
    assert.ok(now.stats.latency > 0 && now.stats.latency < 1000, `latency ${now.stats.latency}`);
    if (transport === "mse") assert.ok(now.heard > 0, "sound is decoded");
    else assert.ok(Math.abs(now.stats.sync) < 150, `sound is ${now.stats.sync} ms from the picture`);
    await tab.close();
  });

  test(`${transport}: a network that stalls is told, and the picture is live again afterwards`, async () => {
    const tab = await browser.open(`${network.url}front/`);
    await listen(tab, transport);
    await live(tab, transport);
    await wait(1500);
    network.stall();
    const since = performance.now();
    const stalled = await until("told", () => look(tab), (now) => now.state === "reconnecting", 5000).finally(async () => {
      await screenshot(tab, `player-stalled-${transport}`);
      await wait(Math.max(0, 5000 - (performance.now() - since)));
      network.flow();
    });
    assert.ok(stalled.reason, "with a reason");
    const from = performance.now();
    await live(tab, null, 6000);
    const took = performance.now() - from;
    await wait(1500);
    const measured = await ages(tab);
    assert.ok(took < 4000, `live after ${took} ms`);
    assert.ok(measured.length > 5 && measured.every((age) => age < 1000), `ages: ${measured}`);
    await tab.close();
  });

  test(`${transport}: a server that is killed and started again is found again by itself`, async () => {
    const tab = await browser.open(`${server.url}front/`);
    await listen(tab, transport);
    await live(tab, transport);
    const { port } = server;
    await server.stop("SIGKILL");
    const away = await until("told", () => look(tab), (now) => now.state === "reconnecting", 5000);
    assert.ok(away.reason, "with a reason");
    await wait(1000);
    server = await Server.start(config, { port });
    const from = performance.now();
    await live(tab, null, 8000);
    await tab.close();
  });

  test(`${transport}: a tab that was hidden is live when it is seen again`, async () => {
    const tab = await browser.open(`${server.url}front/`);
    await listen(tab, transport);
    await live(tab, transport);
    const other = await browser.open("about:blank");
    await until("hidden", () => look(tab), (now) => now.hidden, 3000);
    await wait(3000);
    await tab.bringToFront();
    const from = performance.now();
    const now = await live(tab, null, 4000);
    await other.close();
    await tab.close();
  });

  test(`${transport}: the element plays in a page from elsewhere that is allowed`, async () => {
    const tab = await browser.open(`${site.origin}/embed?server=${encodeURIComponent(server.url)}&transport=${transport}`);
    await until("defined", () => tab.evaluate(() => !!customElements.get("firstlight-player")), Boolean, 5000);
    const now = await live(tab, null);
    assert.deepEqual(tab.complaints, []);
    await tab.close();
  });
}

test("a page from elsewhere that is not allowed gets no picture, and is told what to write where", async () => {
  const other = await Site.start();
  other.page("/embed", "pages/embed.html");
  const tab = await browser.open(`${other.origin}/embed?server=${encodeURIComponent(server.url)}&transport=auto`);
  const state = () => tab.evaluate(() => {
    const player = /** @type {any} */ (document.querySelector("firstlight-player"));
    return { state: player?.state ?? null, reason: player?.reason ?? "" };
  });
  const now = await until("told", state, (now) => now.state === "foreign");
  assert.ok(now.reason.includes(`allow_origins = ["${other.origin}"]`), now.reason);
  // However small the picture: the bar leaves the line free that says what to write.
  await tab.setViewport({ width: 320, height: 568 });
  const places = () =>
    tab.evaluate(() => {
      const player = /** @type {HTMLElement} */ (document.querySelector("firstlight-player"));
      Object.assign(player.style, { position: "fixed", inset: "0 auto auto 0", width: "320px", height: "180px" });
      player.setAttribute("controls", "");
      const box = (/** @type {string} */ part) => player.shadowRoot?.querySelector(part)?.getBoundingClientRect().toJSON();
      return { reason: box(".veil [part=reason]"), title: box(".veil strong"), button: box(".bar button") };
    });
  const { reason, title, button } = await until("the bar", places, ({ button }) => !!button);
  await screenshot(tab, "player-foreign-small");
  assert.ok(reason && title && button && title.top >= 0 && reason.height > 0);
  assert.ok(reason.bottom <= button.top, `the reason ends at ${reason.bottom}, the bar begins at ${button.top}`);
  await tab.close();
  await other.stop();
});

test("a stream that is not there: 404, and the player says so", async () => {
  assert.equal((await fetch(`${server.url}nowhere/`)).status, 404);
  const tab = await browser.open(`${server.url}nowhere/`);
  const state = () => tab.evaluate(() => ({ ...pick(document.querySelector("firstlight-player")) }));
  await tab.evaluate(() => {
    /** @type {any} */ (window).pick = (/** @type {any} */ { state, reason }) => ({ state, reason });
  });
  const now = await until("missing", state, (now) => now.state === "missing", 5000);
  assert.match(now.reason, /nowhere/);
  await tab.close();
});

test("in Firefox: live by each transport", async () => {
  const firefox = await Browser.firefox();
  try {
    for (const transport of TRANSPORTS) {
      const tab = await firefox.open(`${server.url}front/`);
      await listen(tab, transport);
      await live(tab, transport, 20_000);
      assert.deepEqual((await look(tab)).troubles, []);
      await tab.close();
    }
  } finally {
    await firefox.stop();
  }
});
