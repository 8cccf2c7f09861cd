/**
 * The check page in Chromium: every way to the server is tried, and what fails is said with what to do. Where UDP, or everything, is blocked it is
 * so for the page: the addresses that it is told lead nowhere.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, screenshot, until } from "./harness/browser.js";
import { Server } from "./harness/server.js";

const STREAMS = `
  [webrtc]
  listen = "127.0.0.1:0"
  [streams.front]
  source = { test = { width = 320, height = 180, fps = 15 } }
`;

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  server = await Server.start(STREAMS);
  browser = await Browser.start(["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]);
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** The check page, where some transports lead nowhere. @param {string[]} blocked @param {{ phone?: boolean }} [options] */
async function open(blocked, options) {
  const tab = await browser.open(`${server.url}health`, options);
  await tab.evaluateOnNewDocument((blocked) => {
    const real = window.fetch;
    window.fetch = async (...request) => {
      const answer = await real(...request);
      if (!/webrtc\/check/.test(String(request[0]))) return answer;
      let text = await answer.text();
      for (const transport of blocked) {
        text = text.replace(new RegExp(`(a=candidate:\\S+ 1 ${transport} \\d+ \\S+) \\d+`, "gi"), "$1 65000");
        text = text.replace(new RegExp(`:\\d+","transport":"${transport}"`, "g"), `:65000","transport":"${transport}"`);
      }
      return new Response(text, { status: answer.status, headers: answer.headers });
    };
  }, blocked);
  await tab.goto(`${server.url}front/check`, { waitUntil: "domcontentloaded" });
  return tab;
}

/** @param {import("puppeteer-core").Page} tab @param {RegExp} words */
async function says(tab, words) {
  const verdict = () => tab.$eval("#verdict", (element) => element.textContent ?? "");
  await until(`it says ${words}`, verdict, (now) => words.test(now));
  const ways = await tab.$$eval("#ways li", (rows) => rows.map((row) => row.textContent ?? ""));
  return { ways, advice: await tab.$eval("#advice", (element) => element.textContent ?? "") };
}

test("where all is well UDP and TCP work, and a session says which way it took", async () => {
  const watcher = await browser.open(`${server.url}health`);
  await watcher.evaluate(async () => {
    const peer = new RTCPeerConnection();
    Object.assign(window, { peer });
    peer.addTransceiver("video", { direction: "recvonly" });
    await peer.setLocalDescription();
    const answer = await fetch("/front/whep", { method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription?.sdp });
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  });
  await until("it is connected", () => server.api("webrtc/check"), (check) => check.sessions[0]?.candidates.some((/** @type {any} */ one) => one.state === "used"));
  const tab = await open([]);
  const { ways } = await says(tab, /works, by UDP/);
  assert.equal(ways.length, 2);
  assert.match(ways[0], /^UDP 127\.0\.0\.1:\d+works, .* ms there and back$/);
  assert.match(ways[1], /^TCP .*works/);
  await tab.click("#list summary");
  const session = await tab.$eval("#list", (list) => list.textContent ?? "");
  assert.match(session, /Watches for .*UDP, to 127/);
  assert.match(session, /the peer came here, and chose it/);
  assert.match(await tab.$eval("#browser", (list) => list.textContent ?? ""), /H264/);
  await screenshot(tab, "check-good-desktop");
  assert.deepEqual(/** @type {any} */ (tab).complaints, []);
  const { sessions } = await server.api("webrtc/check");
  assert.equal(sessions.length, 1, "those that only check are not told");
});

test("where UDP or everything is blocked it says so, and what to do", async () => {
  const [narrow, none] = [await open(["udp"]), await open(["udp", "tcp"], { phone: true })];
  const tcp = await says(narrow, /works by TCP: UDP is blocked/);
  assert.match(tcp.ways[0], /^UDP .*failed: .*UDP is blocked/);
  assert.match(tcp.ways[1], /^TCP .*works/);
  await screenshot(narrow, "check-tcp-desktop");
  await narrow.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await screenshot(narrow, "check-tcp-dark-desktop");
  const nothing = await says(none, /neither UDP nor TCP/);
  assert.match(nothing.advice, /by WebSocket instead.*public_addresses/);
  await screenshot(none, "check-none-phone");
});
