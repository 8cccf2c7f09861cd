/**
 * WebRTC in a real browser: Chromium watches by WHEP, with sound, and publishes its fake camera by WHIP, which is watched by WebSocket and by
 * WHEP. Data that only a browser can tell: pictures decoded, none frozen, sound that is heard.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, screenshot, until, wait } from "./harness/browser.js";
import { listen, live, look } from "./harness/player.js";
import { Road } from "./harness/road.js";
import { Server } from "./harness/server.js";
import { figures, publish, watch } from "./harness/webrtc.js";

/** @typedef {import("puppeteer-core").Page} Page */

const STREAMS = `
  [streams.front]
  source = { test = { width = 640, height = 360, fps = 30, gop = 60, audio = "opus" } }
  [streams.aac]
  source = { test = { width = 320, height = 180, fps = 15, audio = "aac" } }
  [streams.guest]
  [streams."front/talk"]
`;

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;
/** @type {Page[]} */ let tabs = [];

before(async () => {
  server = await Server.start(STREAMS);
  browser = await Browser.start([
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
  ]);
});
afterEach(async () => {
  for (const tab of tabs.splice(0)) await tab.close();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** A page of the server's own, with room for a player. */
async function page() {
  const tab = await browser.open(`${server.url}health`);
  tabs.push(tab);
  return tab;
}

test("Chromium watches by WHEP: pictures and sound, one stream, nothing lost", async () => {
  const tab = await page();
  const { status, text } = await watch(tab, "front");
  assert.equal(status, 201, text);
  await until("it plays", () => figures(tab), (now) => now.decoded > 60 && now.sounds > 60 && now.energy > 0);
  const now = await figures(tab);
  assert.deepEqual([now.width, now.tracks, now.lost], [640, 2, 0]);
  // It plays what is, not what was when it joined.
  assert.ok(now.delay < 0.5, `${now.delay} s in the jitter buffer`);
  const ended = await tab.evaluate(() => fetch(/** @type {any} */ (window).session, { method: "DELETE" }).then((r) => r.status));
  assert.equal(ended, 200);
  await until("nobody watches", () => server.api("viewers"), (viewers) => viewers.length === 0);
  assert.deepEqual(/** @type {any} */ (tab).complaints, []);
});

test("sound that WebRTC cannot carry is heard as Opus", async () => {
  const tab = await page();
  const { status, text } = await watch(tab, "aac");
  assert.equal(status, 201, text);
  await until("it plays", () => figures(tab), (now) => now.decoded > 20 && now.energy > 0);
});

test("Chromium publishes by WHIP, and another page watches by WHEP", async () => {
  const { status, text } = await publish(await page(), "guest");
  assert.equal(status, 201, text);
  await until("it is live", () => server.api("streams/guest"), (stream) => stream.state === "live");
  const watcher = await page();
  const answer = await watch(watcher, "guest");
  assert.equal(answer.status, 201, answer.text);
  await watcher.bringToFront();
  await until("it plays", () => figures(watcher), (now) => now.decoded > 30 && now.energy > 0);
  const stream = await server.api("streams/guest");
  assert.deepEqual(stream.tracks.map((/** @type {any} */ track) => track.codec.slice(0, 4)).sort(), ["avc1", "opus"]);
});

test("the player's first picture comes by WebSocket, WebRTC takes over behind it, and neither is for good", async () => {
  let other = await Server.start(STREAMS);
  try {
    const { port } = other;
    const tab = await browser.open(`${other.url}front/`);
    tabs.push(tab);
    await listen(tab, null);
    await tab.evaluate(() => {
      const page = /** @type {any} */ (window);
      const player = /** @type {any} */ (document.querySelector("firstlight-player"));
      page.ways = [];
      player.addEventListener("stats", () => page.ways.at(-1) !== player.stats.transport && page.ways.push(player.stats.transport));
    });
    await live(tab, "webrtc");
    const { states, troubles } = await look(tab);
    assert.deepEqual(troubles, []);
    // The change is not seen.
    assert.ok(states.every(([state]) => state === "starting" || state === "live"), JSON.stringify(states));
    await until("pictures", () => look(tab), (now) => now.stats.fps >= 27 && now.stats.dropped === 0);
    assert.deepEqual(await tab.evaluate(() => /** @type {any} */ (window).ways), ["webcodecs", "webrtc"]);
    // The same server, and no way to its port of WebRTC.
    await other.stop("SIGKILL");
    other = await Server.start(`${STREAMS}[webrtc]\nlisten = []\n`, { port });
    const now = await until("told", () => look(tab), (now) => now.troubles.length > 0, 20_000);
    assert.match(now.troubles[0], /^WebRTC .*playing by WebCodecs; WebRTC is tried again in 30 s$/);
    await live(tab, "webcodecs");
    await other.stop("SIGKILL");
    other = await Server.start(STREAMS, { port });
    await live(tab, "webcodecs");
    await tab.evaluate(() => dispatchEvent(new Event("online")));
    await live(tab, "webrtc");
  } finally {
    await other.stop();
  }
});

test("who holds the button talks to where the camera is, and is silent when it is let go", async () => {
  const tab = await page();
  const listener = await page();
  await tab.goto(`${server.url}front/`);
  await tab.bringToFront();
  await until("the button", () => tab.$eval("#talk", (button) => !(/** @type {HTMLElement} */ (button).hidden)), Boolean);
  await tab.keyboard.down("t");
  const said = () => tab.$eval("#talking", (line) => line.textContent);
  await until("it says so", said, (words) => words === "You are heard");
  await screenshot(tab, "player-talking");
  const voice = await until("it is live", () => server.api("streams/front%2Ftalk"), (stream) => stream.state === "live");
  assert.deepEqual(voice.tracks.map((/** @type {any} */ track) => track.codec), ["opus"]);
  // A page in the background listens as well, and what is held stays held.
  const answer = await watch(listener, "front/talk");
  assert.equal(answer.status, 201, answer.text);
  await until("the voice is heard", () => figures(listener), (now) => now.energy > 0);
  await tab.keyboard.up("t");
  await until("it says so", said, (words) => words === "");
  const energy = async () => (await figures(listener)).energy;
  const more = async () => {
    const before = await energy();
    await wait(1500);
    return (await energy()) - before;
  };
  await until("silence", more, (more) => more < 1e-6, 20_000);
});

test("a page drives by WebSocket at once, and by a data channel as soon as there is one", async () => {
  const robot = await page();
  await robot.evaluate(async () => {
    const socket = new WebSocket("/front/data?robot");
    const heard = /** @type {string[]} */ ([]);
    Object.assign(window, { heard, socket });
    socket.onmessage = ({ data }) => heard.push(data);
    await new Promise((done) => (socket.onopen = done));
  });
  const heard = () => robot.evaluate(() => /** @type {any} */ (window).heard);
  const tab = await page();
  await tab.evaluateOnNewDocument(() => {
    const Real = WebSocket;
    const lines = /** @type {WebSocket[]} */ ([]);
    Object.assign(window, { lines });
    window.WebSocket = class extends Real {
      /** @param {string} url */
      constructor(url) {
        super(url);
        if (new URL(url).pathname.endsWith("/data")) lines.push(this);
      }
    };
  });
  await tab.goto(`${server.url}front/`);
  await tab.bringToFront();
  await until("the button", () => tab.$eval("[data-panel=drive]", (tool) => !(/** @type {HTMLElement} */ (tool).hidden)), Boolean);
  await tab.keyboard.press("d");
  const lines = () => tab.evaluate(() => /** @type {any} */ (window).lines.map((/** @type {WebSocket} */ line) => line.readyState));
  await until("the data channel alone is left", lines, (states) => states.length === 1 && states[0] === WEBSOCKET_CLOSED);
  await until("one driver", () => server.api("streams/front"), (stream) => stream.drivers === 1);
  await tab.keyboard.down("w");
  await until("ahead", heard, (heard) => heard.includes('{"type":"drive","x":0,"y":1}'));
  await tab.keyboard.up("w");
  const rests = (/** @type {string[]} */ heard) => heard.at(-1) === '{"type":"drive","x":0,"y":0}';
  await until("at rest", heard, rests);
  // The stick, dragged half way to the right.
  const { x, y, width, height } = await tab.$eval(".pad", (pad) => pad.getBoundingClientRect().toJSON());
  await tab.mouse.move(x + width / 2, y + height / 2);
  await tab.mouse.down();
  await tab.mouse.move(x + (width * 3) / 4, y + height / 2);
  await until("to the right", heard, (heard) => heard.some((line) => /"x":0\.[45]\d*,"y":-?0[.,}]/.test(line)));
  await tab.mouse.up();
  await until("at rest again", heard, rests);
  // A gamepad: a button, and its stick back.
  await tab.evaluate(() => {
    const pad = { buttons: [{ pressed: false }, { pressed: true }], axes: [0, 1] };
    Object.assign(navigator, { getGamepads: () => [null, pad] });
  });
  await until("back", heard, (heard) => heard.includes('{"type":"button","button":1,"pressed":true}') && heard.at(-1) === '{"type":"drive","x":0,"y":-1}');
  await tab.evaluate(() => Object.assign(navigator, { getGamepads: () => [] }));
  await until("at rest in the end", heard, rests);
  await robot.evaluate(() => /** @type {any} */ (window).socket.send('{"battery":0.9}'));
  await until("answered", () => tab.$eval("#answer", (answer) => answer.textContent), (text) => text === '{"battery":0.9}');
});

const WEBSOCKET_CLOSED = 3;

test("one packet in twenty is lost, and nothing freezes for long", async () => {
  const [, told] = /protocol="WebRTC" address=127\.0\.0\.1:(\d+)/.exec(server.log) ?? [];
  const road = await Road.to(Number(told), 50);
  const tab = await page();
  const { status, text } = await watch(tab, "front", road.port);
  assert.equal(status, 201, text);
  await until("it plays", () => figures(tab), (now) => now.decoded > 30);
  const before = await figures(tab);
  const longest = await tab.evaluate(async (time) => {
    const { video } = /** @type {any} */ (window);
    let [last, longest] = [performance.now(), 0];
    const look = () => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    await new Promise((done) => setTimeout(done, time));
    return Math.max(longest, performance.now() - last);
  }, 8000);
  const now = await figures(tab);
  road.stop();
  console.log(`${road.lost} of ${road.lost + road.passed} lost: ${now.decoded - before.decoded} pictures in 8 s, at most ${Math.round(longest)} ms apart, ${now.freezes} freezes`);
  assert.ok(road.lost > 50, `${road.lost} lost`);
  assert.ok(now.decoded - before.decoded > 180, `${now.decoded - before.decoded} pictures`);
  // 500 ms on a machine with nothing else to do.
  assert.ok(longest < 1000, `${longest} ms`);
});
