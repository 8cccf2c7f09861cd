/** A camera with B-frames plays by both transports of our player, in order and without an error. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, until, wait } from "./harness/browser.js";
import { Server } from "./harness/server.js";

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  server = await Server.start(`
    [streams.reordered]
    source = { exec = { command = "ffmpeg -v error -re -f lavfi -i testsrc2=s=640x360:r=30 -c:v libx264 -preset veryfast -bf 2 -g 30 -pix_fmt yuv420p -f mpegts -" } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

for (const transport of ["mse", "webcodecs"]) {
  test(`B-frames play by ${transport}`, async () => {
    const tab = await browser.open(`${server.url}reordered/`);
    await tab.evaluate((transport) => {
      const player = /** @type {any} */ (document.querySelector("firstlight-player"));
      const page = /** @type {any} */ (window);
      page.troubles = [];
      page.fps = [];
      player.addEventListener("error", (/** @type {any} */ event) => page.troubles.push(event.detail));
      player.addEventListener("stats", (/** @type {any} */ event) => page.fps.push(event.detail.fps));
      player.transport = transport;
    }, transport);
    const look = () =>
      tab.evaluate(() => {
        const player = /** @type {any} */ (document.querySelector("firstlight-player"));
        const { troubles, fps } = /** @type {any} */ (window);
        return { state: player.state, reason: player.reason, transport: player.stats?.transport, troubles, fps };
      });
    await until("live", look, (now) => now.state === "live" && now.transport === transport, 15_000);
    await wait(4500);
    const now = await look();
    assert.equal(now.state, "live");
    assert.deepEqual(now.troubles, []);
    assert.deepEqual(tab.complaints, []);
    const last = now.fps.slice(-3);
    assert.ok(last.every((/** @type {number} */ fps) => fps >= 24), `pictures a second: ${now.fps}`);
    await tab.close();
  });
}
