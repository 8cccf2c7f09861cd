/**
 * RTCBot, as it is on PyPI, with our server in the robot's place: its script in pages of its tutorial, its Python as a viewer, as a
 * camera, and as the robot behind our broker. And our own script in the same pages.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
import { ADDRESS, isInside, runInside } from "./harness/own-network.js";
import { Program } from "./harness/program.js";
import { PROGRAM, Server } from "./harness/server.js";

/** @typedef {import("puppeteer-core").Page} Page */

/** The Python that has RTCBot; `scripts/test interop` makes it. */
const PYTHON = process.env.RTCBOT_PYTHON ?? join(dirname(dirname(PROGRAM)), "rtcbot", "bin", "python");

if (isInside) tests();
else test("RTCBot's own pages and programs, in a network of their own", (context) => runInside(import.meta.filename, (said) => context.diagnostic(said)));

function tests() {
  /** @type {Server} */ let server;
  /** @type {Browser} */ let browser;
  /** @type {Page[]} */ let tabs = [];
  /** @type {Program[]} */ let programs = [];
  /** RTCBot's script. */ let original = "";
  /** The tutorial's page. */ let tutorial = "";

  before(async () => {
    const origin = "import importlib.util; print(importlib.util.find_spec('rtcbot').origin)";
    original = await readFile(join(dirname(execFileSync(PYTHON, ["-c", origin], { encoding: "utf8" })), "rtcbot.js"), "utf8");
    tutorial = await readFile(join(import.meta.dirname, "pages", "rtcbot.html"), "utf8");
    server = await Server.start(`
      auth = "open"
      [webrtc]
      listen = "${ADDRESS}:0"
      [streams.front]
      source = { test = { width = 640, height = 360, fps = 30, gop = 60, audio = "aac" } }
    `);
    browser = await Browser.start(["--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream"]);
  });
  afterEach(async () => {
    for (const tab of tabs.splice(0)) {
      await tab.evaluate(() => /** @type {any} */ (window).conn?.close());
      await tab.close();
    }
    for (const program of programs.splice(0)) await program.end();
    await until("nobody is left", () => server.api("streams"), (streams) => streams.length === 1 && streams[0].viewers === 0, 20_000);
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  /** A page of the server's own. @param {string} path */
  async function open(path) {
    const tab = await browser.open(`${server.url}${path}`);
    tabs.push(tab);
    return tab;
  }

  /** The tutorial's page. @param {string} query @param {string} [script] in the place of ours */
  async function page(query, script) {
    const tab = await open("health");
    await tab.setRequestInterception(true);
    tab.on("request", (request) => {
      const { pathname } = new URL(request.url());
      if (pathname === "/tutorial") request.respond({ contentType: "text/html", body: tutorial });
      else if (pathname === "/rtcbot.js" && script) request.respond({ contentType: "application/javascript", body: script });
      else request.continue();
    });
    await tab.goto(`${server.url}tutorial?${query}`, { waitUntil: "domcontentloaded" });
    return tab;
  }

  /** The stream of what is sent, if there is one yet. */
  const sent = () => server.api("streams/connect%2F1").catch(() => ({ state: "none", tracks: [] }));

  /** RTCBot's Python. @param {string} part */
  function python(part) {
    const program = new Program(PYTHON, [join(import.meta.dirname, "peers", "rtcbot_peer.py"), part, server.url]);
    programs.push(program);
    return program;
  }

  /** How a page does. @param {Page} tab */
  const look = (tab) =>
    tab.evaluate(async () => {
      const { conn, heard, streams } = /** @type {any} */ (window);
      const peer = conn._rtc ?? conn.rtc;
      const reports = [...(await peer.getStats()).values()].filter((report) => report.type === "inbound-rtp");
      const [pictures, sound] = ["video", "audio"].map((kind) => reports.find((report) => report.kind === kind));
      const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
      return {
        heard,
        streams: streams.filter((/** @type {any} */ stream) => stream instanceof MediaStream).length,
        size: [video.videoWidth, video.videoHeight],
        time: video.currentTime,
        decoded: pictures?.framesDecoded ?? 0,
        energy: sound?.totalAudioEnergy ?? 0,
      };
    });

  /** A WebSocket in a page: what comes, and how many bytes. @param {Page} tab @param {string} path */
  const socket = (tab, path) =>
    tab.evaluate((path) => {
      const socket = new WebSocket(new URL(path, location.href.replace("http", "ws")));
      socket.binaryType = "arraybuffer";
      const window_ = /** @type {any} */ (window);
      Object.assign(window_, { socket, texts: [], binaries: 0 });
      socket.onmessage = ({ data }) => (typeof data === "string" ? window_.texts.push(data) : window_.binaries++);
      return new Promise((open, failed) => ((socket.onopen = () => open(null)), (socket.onerror = failed)));
    }, path);

  /** @param {Page} tab @returns {Promise<{ texts: string[], binaries: number }>} */
  const received = (tab) => tab.evaluate(() => ({ texts: /** @type {any} */ (window).texts, binaries: /** @type {any} */ (window).binaries }));

  /** @param {Page} tab @param {string} text */
  const says = (tab, text) => tab.evaluate((text) => /** @type {any} */ (window).socket.send(text), text);

  for (const [whose, script] of /** @type {[string, () => string | undefined][]} */ ([["RTCBot's", () => original], ["our", () => undefined]])) {
    test(`a page with ${whose} script sees and hears the first camera, and drives it`, async () => {
      const robot = await open("health");
      await socket(robot, "/front/data?robot");
      const tab = await page("", script());
      await until("it plays", () => look(tab), (now) => now.time > 1 && now.size[0] === 640 && now.energy > 0 && now.streams === 2);
      await tab.evaluate(() => {
        const { conn } = /** @type {any} */ (window);
        conn.put_nowait({ data: "ping" });
        conn.put_nowait("as it is");
      });
      await tab.keyboard.press("w");
      const { texts } = await until("the robot hears", () => received(robot), ({ texts }) => texts.length >= 4);
      assert.deepEqual(texts.slice(0, 2), ['{"data":"ping"}', '"as it is"']);
      assert.deepEqual(texts.slice(2).map((text) => [JSON.parse(text).type, JSON.parse(text).keyCode]), [["keydown", 87], ["keyup", 87]]);
      await says(robot, '{"data":"pong"}');
      await says(robot, "plain");
      const { heard } = await until("the page hears", () => look(tab), ({ heard }) => heard.length === 2);
      assert.deepEqual(heard, ['{"data":"pong"}', '"plain"']);
      assert.deepEqual(/** @type {any} */ (tab).complaints, []);
    });

    test(`camera and microphone of a page with ${whose} script are a stream while it is open`, async () => {
      const tab = await page("send", script());
      const stream = await until("it is live", sent, ({ state, tracks }) => state === "live" && tracks.length === 2);
      assert.deepEqual(stream.tracks.map((/** @type {any} */ track) => track.kind).sort(), ["audio", "video"]);
      const watcher = await open("health");
      await socket(watcher, "/connect/1/ws?format=webcodecs");
      await until("pictures and sound", () => received(watcher), ({ binaries }) => binaries > 60);
      assert.deepEqual(/** @type {any} */ (tab).complaints, []);
    });
  }

  test("five pages watch what is encoded and packetised once", async () => {
    const { starts } = await server.api("streams/front");
    const pages = [];
    for (let at = 0; at < 5; at++) pages.push(await page("silent"));
    for (const tab of pages) await until("it plays", () => look(tab), ({ decoded }) => decoded > 30);
    const stream = await server.api("streams/front");
    assert.deepEqual([stream.viewers, stream.packagings.length], [5, 1]);
    assert.ok(stream.starts - starts <= 1, `${stream.starts - starts} starts`);
    await pages[0].evaluate(() => /** @type {any} */ (window).conn.close());
    await until("one has gone", () => server.api("viewers"), (viewers) => viewers.length === 4);
    const then = await Promise.all(pages.slice(1).map(look));
    for (const [at, tab] of pages.slice(1).entries()) await until("it plays on", () => look(tab), ({ decoded }) => decoded > then[at].decoded + 15);
  });

  test("RTCBot's Python sees the camera, and talks both ways", async () => {
    const robot = await open("health");
    await socket(robot, "/front/data?robot");
    const program = python("watch");
    const { shape, type } = await program.hears("pictures", ({ picture }) => picture === 20);
    assert.deepEqual([shape, type], [[360, 640, 3], "uint8"]);
    program.say("plain");
    const { texts } = await until("the robot hears", () => received(robot), ({ texts }) => texts.length >= 2);
    assert.deepEqual(texts, ['{"ready": "watch"}', '"plain"']);
    await says(robot, '{"data":[1,2]}');
    assert.deepEqual((await program.hears("a message", ({ heard }) => heard)).heard, { data: [1, 2] });
  });

  test("what RTCBot's Python shows is a stream", async () => {
    const program = python("send");
    const stream = await until("it is live", sent, ({ state }) => state === "live", 15_000);
    // It would send VP8 as well: ours is the choice.
    assert.deepEqual([stream.tracks[0].codec.slice(0, 4), stream.tracks[0].width], ["avc1", 320]);
    const watcher = await open("health");
    await socket(watcher, "/connect/1/ws?format=webcodecs");
    await until("pictures", () => received(watcher), ({ binaries }) => binaries > 15);
    assert.equal((await program.hears("an answer", ({ status }) => status)).status, 200);
  });

  test("RTCBot's Python waits as the robot at /ws, and a page reaches it", async () => {
    const program = python("robot");
    await program.hears("it waits", ({ waits }) => waits);
    // The place is taken as soon as the server has answered its handshake, a moment after that.
    const asked = () => server.api("server");
    await until("its socket is open", asked, ({ tasks }) => tasks["robot-waits"] === 1);
    const tab = await page("silent", original);
    await until("it plays", () => look(tab), (now) => now.time > 0.5 && now.size[0] === 320);
    assert.deepEqual((await until("the page hears", () => look(tab), ({ heard }) => heard.length === 1)).heard, ['{"ready": "robot"}']);
    await tab.evaluate(() => /** @type {any} */ (window).conn.put_nowait({ x: 1 }));
    assert.deepEqual((await program.hears("a message", ({ heard }) => heard)).heard, { x: 1 });
  });
}
