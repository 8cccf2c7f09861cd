/**
 * The pages at the size of a desk and of a phone, in each of their states, kept as pictures in target/screenshots for
 * people to look at; what a program can see of them is checked: nothing sticks out, nothing is asked of other servers.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, screenshot, until, wait } from "./harness/browser.js";
import { listen, live } from "./harness/player.js";
import { Server } from "./harness/server.js";

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  server = await Server.start(`
    [streams.front]
    source = { test = { width = 1280, height = 720, fps = 30 } }
    [streams."yard/gate"]
    source = { test = { width = 640, height = 480, fps = 15, audio = false } }
    [streams.workshop]
    source = "tcp://127.0.0.1:1"
    on_demand = false
    [streams.attic]
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

for (const phone of [false, true]) {
  const size = phone ? "phone" : "desktop";

  test(`the player, ${size}`, async () => {
    const tab = await browser.open(`${server.url}front/`, { phone });
    await listen(tab, null);
    await live(tab, null);
    await wait(1500);
    await screenshot(tab, `player-live-${size}`);
    await fits(tab);
    for (const panel of ["figures", "share"]) {
      await tab.evaluate((panel) => /** @type {HTMLElement} */ (document.querySelector(`[data-panel=${panel}]`)).click(), panel);
      await wait(600);
      await screenshot(tab, `player-${panel}-${size}`);
      await fits(tab);
    }
    assert.deepEqual(tab.complaints, []);
    await tab.close();
  });

  test(`the player of a camera that is away, of one that is awaited, and of none, ${size}`, async () => {
    for (const [name, state] of [["workshop", "reconnecting"], ["attic", "waiting"], ["nowhere", "missing"]]) {
      const tab = await browser.open(`${server.url}${name}/`, { phone });
      const ask = () => tab.evaluate(() => /** @type {any} */ (document.querySelector("firstlight-player")).state);
      await until(name, ask, (now) => now === state, 8000);
      await screenshot(tab, `player-${state}-${size}`);
      await fits(tab);
      await tab.close();
    }
  });

  test(`the wall, ${size}`, async () => {
    const tab = await browser.open(server.url, { phone });
    const tiles = () => tab.evaluate(() => document.querySelectorAll("firstlight-player").length);
    await until("tiles", tiles, (count) => count > 0, 5000);
    await wait(2500);
    await screenshot(tab, `wall-${size}`);
    await fits(tab);
    assert.deepEqual(tab.complaints, []);
    await tab.close();
  });
}

test("a touch is asked for where a browser keeps sound back, and not for a stream that has none", async () => {
  const strict = await Browser.start(["--autoplay-policy=user-gesture-required"]);
  try {
    for (const [name, sound] of [["front", true], ["yard/gate", false]]) {
      const tab = await strict.open("about:blank");
      await tab.evaluateOnNewDocument(() => localStorage.setItem("firstlight transport", "mse"));
      await tab.goto(`${server.url}${name}/`);
      const client = await tab.createCDPSession();
      // What a test asks for by the usual way counts as a touch.
      const now = async () => {
        const { result } = await client.send("Runtime.evaluate", { expression: `(${look})()`, userGesture: false, returnByValue: true });
        return /** @type {ReturnType<typeof look>} */ (result.value);
      };
      await until(`${name} plays, kept silent`, now, ({ live, blocked }) => live && (blocked || !sound));
      await wait(500);
      assert.equal((await now()).asked, sound, `${name}`);
      await tab.close();
    }
  } finally {
    await strict.stop();
  }
});

/** Whether it plays, silent for want of a touch, and asks for one. */
function look() {
  const player = /** @type {any} */ (document.querySelector("firstlight-player"));
  const live = player.state === "live" && player.stats?.transport === "mse";
  return { live, blocked: player.soundBlocked, asked: !player.shadowRoot.querySelector(".hint").hidden };
}

/** Nothing makes the page scroll sideways, and every request went to our server. @param {import("puppeteer-core").Page} tab */
async function fits(tab) {
  const { wide, asked } = await tab.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    asked: performance.getEntriesByType("resource").map((entry) => new URL(entry.name).host),
  }));
  assert.equal(wide, 0, "wider than the window");
  assert.deepEqual([...new Set(asked)], [new URL(server.url).host]);
}
