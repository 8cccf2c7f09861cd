/**
 * A stream that waits for a publisher, filled by the publish page in one Chromium (its camera and microphone are the browser's own fakes) and
 * watched by our player in another page: moving pictures and sound; what refuses a publisher, in words; a server that is started again.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, screenshot, until, wait } from "./harness/browser.js";
import { Network } from "./harness/network.js";
import { Server } from "./harness/server.js";

/** @typedef {import("puppeteer-core").Page} Page */

const STREAMS = `
  [streams.guest]
  [streams.front]
  source = { test = { width = 320, height = 180, fps = 10 } }
`;

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;
/** @type {Page[]} */ let tabs = [];

before(async () => {
  server = await Server.start(STREAMS);
  browser = await Browser.start(["--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream"]);
});
afterEach(async () => {
  for (const tab of tabs.splice(0)) await tab.close();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

test("one page publishes, another watches: pictures that move, and sound", async () => {
  const tab = await open("guest/publish");
  await screenshot(tab, "publish-ready-desktop");
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await screenshot(tab, "publish-ready-dark-desktop");
  const watcher = await open("guest/");
  await watcher.waitForSelector("#publish", { visible: true });
  await screenshot(watcher, "player-waiting-publish-desktop");
  assert.match(await watcher.$eval("#publish", (link) => /** @type {HTMLAnchorElement} */ (link).href), /\/guest\/publish$/);

  await tab.bringToFront();
  await tab.click("#go");
  await live(tab);
  await watcher.bringToFront();
  await moves(watcher);
  const tracks = await watcher.evaluate(() => /** @type {any} */ (document.querySelector("firstlight-player")).tracks);
  assert.deepEqual(tracks.map((/** @type {any} */ track) => track.codec.slice(0, 6)).sort(), ["avc1.4", "opus"]);
  assert.equal(await watcher.$eval("#publish", (link) => /** @type {HTMLElement} */ (link).hidden), true);
  await tab.bringToFront();
  await until("the figures", () => text(tab, "#viewers"), (viewers) => viewers === "1");
  await until("the figures", () => text(tab, "#bitrate"), (bitrate) => parseFloat(bitrate) > 0.05);
  assert.match(await text(tab, "#size"), /^1280 × 720/);
  await screenshot(tab, "publish-live-desktop");

  // A viewer who joins late sees a picture without waiting for the next one that stands alone by itself.
  const late = await open("guest/");
  await late.bringToFront();
  await moves(late);

  await tab.bringToFront();
  await tab.click("#go");
  await until("it stopped", () => text(tab, "#state"), (state) => state === "Not sending");
  await until("it waits again", () => state("guest"), (now) => now === "waiting");
  for (const page of [tab, watcher, late]) assert.deepEqual(/** @type {any} */ (page).complaints, []);
});

test("without frames from a track a page publishes by way of a video", async () => {
  const tab = await browser.open("about:blank");
  tabs.push(tab);
  await tab.evaluateOnNewDocument(() => void delete (/** @type {any} */ (window).MediaStreamTrackProcessor));
  await tab.goto(`${server.url}guest/publish`);
  await ready(tab);
  await tab.select("#quality", "low");
  await ready(tab);
  await tab.click("#go");
  await live(tab);
  await until("pictures", () => text(tab, "#size"), (size) => /^640 × 360, ([5-9]|[123]\d) /.test(size));
});

test("without encoders a page publishes by the browser's recorder", async () => {
  const tab = await browser.open("about:blank");
  tabs.push(tab);
  await tab.evaluateOnNewDocument(() => void delete (/** @type {any} */ (window).AudioEncoder));
  await tab.goto(`${server.url}guest/publish`);
  await ready(tab);
  await tab.click("#go");
  await live(tab);
  await until("it is the recorder", () => text(tab, "#size"), (size) => size === "1280 × 720");
  const watcher = await open("guest/");
  await watcher.bringToFront();
  await moves(watcher);
  const stream = (await server.api("streams")).find((/** @type {{ name: string }} */ one) => one.name === "guest");
  assert.deepEqual(stream.tracks.map((/** @type {any} */ track) => track.kind).sort(), ["audio", "video"]);
});

test("what the browser's recorder gives for mp4 is taken as a body too", async () => {
  const tab = await open("guest/publish");
  const taken = await tab.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    const recorder = new MediaRecorder(stream, { mimeType: "video/mp4;codecs=avc1.42E01F,opus" });
    /** @type {Blob[]} */
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start(500);
    await new Promise((done) => setTimeout(done, 3000));
    await new Promise((done) => ((recorder.onstop = done), recorder.stop()));
    const answer = await fetch("publish", { method: "POST", body: new Blob(parts) });
    return { status: answer.status, text: await answer.text() };
  });
  assert.equal(taken.status, 200, taken.text);
  const { format, units } = JSON.parse(taken.text);
  assert.equal(format, "mp4");
  assert.ok(units > 60, taken.text);
});

test("a second publisher, and one of a stream with a source, are told why", async () => {
  const first = await open("guest/publish");
  await first.click("#go");
  await live(first);
  const second = await open("guest/publish", { phone: true });
  await screenshot(second, "publish-ready-phone");
  await second.click("#go");
  await until("the refusal", () => text(second, "#trouble"), (words) => /has a publisher already/.test(words));
  await screenshot(second, "publish-refused-phone");
  assert.equal(await text(second, "#go"), "Start");
  assert.equal(await state("guest"), "live");

  const front = await browser.open(`${server.url}front/publish`);
  tabs.push(front);
  await until("the reason", () => text(front, "#trouble"), (words) => /source of its own/.test(words));
  await screenshot(front, "publish-source-desktop");
  const nobody = await browser.open(`${server.url}nobody/publish`);
  tabs.push(nobody);
  await until("the reason", () => text(nobody, "#trouble"), (words) => /no stream “nobody”/.test(words));
});

test("a page that is given no devices says so and what to do", async () => {
  const plain = await Browser.start(["--use-fake-device-for-media-stream"]);
  const tab = await plain.open(`${server.url}guest/publish`);
  await tab.browserContext().overridePermissions(new URL(server.url).origin, []);
  await tab.reload();
  await until("the reason", () => text(tab, "#trouble"), (words) => /may not use the camera/.test(words));
  assert.equal(await text(tab, "#go"), "Try again");
  await screenshot(tab, "publish-refused-permission-desktop");
  // Not a secure context: by the computer's name rather than localhost. The name is made one of this machine here.
  const insecure = await Browser.start(["--host-resolver-rules=MAP camera.lan 127.0.0.1"]);
  const page = await insecure.open(`http://camera.lan:${server.port}/guest/publish`, { phone: true });
  await until("the reason", () => text(page, "#trouble"), (words) => /https/.test(words) && /localhost/.test(words));
  await screenshot(page, "publish-insecure-phone");
  await plain.stop();
  await insecure.stop();
});

test("when the server is started again the page publishes on by itself", async () => {
  const tab = await open("guest/publish");
  await tab.click("#go");
  await live(tab);
  const { port } = server;
  await server.stop();
  await until("it says so", () => text(tab, "#state"), (state) => state === "Reconnecting");
  await wait(500);
  await screenshot(tab, "publish-reconnecting-desktop");
  server = await Server.start(STREAMS, { port });
  await tab.setViewport({ width: 390, height: 844 });
  await live(tab, 20_000);
  await until("figures", () => text(tab, "#size"), (size) => /^1280/.test(size));
  await screenshot(tab, "publish-live-phone");
  assert.equal(await state("guest"), "live");
  assert.equal(await text(tab, "#trouble"), "");
});

test("a connection that stalls is given up, and the page publishes on once it flows again", async () => {
  const network = await Network.to(server.port);
  const tab = await browser.open(`${network.url}guest/publish`);
  tabs.push(tab);
  await ready(tab);
  await tab.click("#go");
  await live(tab);
  await until("an answer", () => text(tab, "#rtt"), (rtt) => rtt !== "–");
  network.stall();
  await until("it says so", () => text(tab, "#trouble"), (words) => /does not answer/.test(words), 15_000);
  assert.equal(await text(tab, "#state"), "Reconnecting");
  network.flow();
  await live(tab, 20_000);
  await tab.close();
  tabs.pop();
  await network.stop();
});

test("who may watch alone is told so and sees no link; who is not known is led to the login", async () => {
  const guarded = await Server.start(`
    [streams.guest]
    [tokens.display]
    token = "0123456789abcdef"
    rights = { view = ["guest"] }
    [tokens.studio]
    token = "fedcba9876543210"
    rights = { publish = ["guest", "gone"] }
  `);
  const stranger = await browser.open(`${guarded.url}guest/publish`);
  tabs.push(stranger);
  assert.match(stranger.url(), /\/login\?next=/);
  const tab = await browser.open(`${guarded.url}guest/publish?token=0123456789abcdef`);
  tabs.push(tab);
  await until("the reason", () => text(tab, "#trouble"), (words) => /not publish to it/.test(words));
  await tab.goto(`${guarded.url}guest/`);
  const player = () => tab.$eval("#player", (player) => /** @type {any} */ (player).state);
  await until("it waits", player, (state) => state === "waiting");
  await wait(1200);
  assert.equal(await tab.$eval("#publish", (link) => /** @type {HTMLElement} */ (link).hidden), true);
  await tab.evaluate(() => fetch("/logout", { method: "POST" }));
  // Whoever may publish and not watch publishes, and is offered nothing to watch.
  await tab.goto(`${guarded.url}guest/publish?token=fedcba9876543210`);
  await ready(tab);
  assert.equal(new URL(tab.url()).search, "");
  assert.equal(await tab.$eval("#watch", (link) => getComputedStyle(link).display), "none");
  await tab.click("#go");
  await live(tab);
  await tab.goto(`${guarded.url}gone/publish`);
  await until("the reason", () => text(tab, "#trouble"), (words) => /no stream/.test(words));
  await guarded.stop();
});

/** A page that is ready, or says why not. @param {string} path @param {{ phone?: boolean }} [options] */
async function open(path, options) {
  const tab = await browser.open(server.url + path, options);
  tabs.push(tab);
  if (path.endsWith("publish")) await ready(tab);
  return tab;
}

/** @param {Page} tab */
const ready = (tab) =>
  until("a picture of oneself", () => tab.$eval("#preview", (video) => /** @type {HTMLVideoElement} */ (video).videoWidth), (width) => width > 0);

/** @param {Page} tab @param {number} [ms] */
const live = (tab, ms) => until("it is live", () => text(tab, "#state"), (state) => state === "Live", ms);

/** @param {Page} tab @param {string} selector */
const text = (tab, selector) => tab.$eval(selector, (place) => place.textContent ?? "");

/** @param {string} name */
const state = async (name) =>
  (await server.api("streams")).find((/** @type {{ name: string }} */ stream) => stream.name === name)?.state;

/** The player shows pictures, and they differ. @param {Page} tab */
async function moves(tab) {
  const look = () =>
    tab.evaluate(async () => {
      const player = /** @type {any} */ (document.querySelector("firstlight-player"));
      const surface = player.shadowRoot?.querySelector(".shown");
      if (player.state !== "live" || !surface) return [];
      const looks = new Set();
      for (let moment = 0; moment < 8; moment++) {
        const canvas = new OffscreenCanvas(160, 90);
        const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
        context.drawImage(surface, 0, 0, 160, 90);
        looks.add(context.getImageData(0, 0, 160, 90).data.join());
        await new Promise((done) => setTimeout(done, 100));
      }
      return [looks.size, player.stats?.width, player.stats?.fps];
    });
  await until("moving pictures", look, ([different, width, fps]) => different >= 4 && width === 1280 && fps >= 5, 20_000);
}
