/**
 * WebRTC in a real browser: Chromium watches by WHEP, with sound, and publishes its fake camera by WHIP, which is watched by WebSocket and by
 * WHEP. Data that only a browser can tell: pictures decoded, none frozen, sound that is heard.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
import { Server } from "./harness/server.js";

/** @typedef {import("puppeteer-core").Page} Page */

const STREAMS = `
  [webrtc]
  listen = "127.0.0.1:0"
  [streams.front]
  source = { test = { width = 640, height = 360, fps = 30, gop = 60, audio = "opus" } }
  [streams.aac]
  source = { test = { width = 320, height = 180, fps = 15, audio = "aac" } }
  [streams.guest]
`;

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;
/** @type {Page[]} */ let tabs = [];

before(async () => {
  server = await Server.start(STREAMS);
  browser = await Browser.start([
    "--allow-loopback-in-peer-connection",
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

/**
 * Watches in a page, as the documentation says; gives the answer's status.
 * @param {Page} tab @param {string} stream
 */
const watch = (tab, stream) =>
  tab.evaluate(async (stream) => {
    const video = document.createElement("video");
    video.autoplay = true;
    video.style.cssText = "position:fixed;inset:0;width:320px";
    document.body.prepend(video);
    const connection = new RTCPeerConnection();
    Object.assign(window, { video, connection });
    connection.addTransceiver("video", { direction: "recvonly" });
    connection.addTransceiver("audio", { direction: "recvonly" });
    connection.ontrack = ({ streams }) => (video.srcObject = streams[0]);
    await connection.setLocalDescription(await connection.createOffer());
    const response = await fetch(`/${stream}/whep`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: connection.localDescription?.sdp,
    });
    const text = await response.text();
    Object.assign(window, { session: response.headers.get("location") });
    if (response.ok) await connection.setRemoteDescription({ type: "answer", sdp: text });
    return { status: response.status, text };
  }, stream);

/** What the browser counts. @param {Page} tab */
const figures = (tab) =>
  tab.evaluate(async () => {
    const { connection, video } = /** @type {any} */ (window);
    const reports = [...(await connection.getStats()).values()].filter((report) => report.type === "inbound-rtp");
    const [pictures, sound] = ["video", "audio"].map((kind) => reports.find((report) => report.kind === kind));
    return {
      decoded: pictures?.framesDecoded ?? 0,
      freezes: pictures?.freezeCount ?? 0,
      lost: (pictures?.packetsLost ?? 0) + (sound?.packetsLost ?? 0),
      energy: sound?.totalAudioEnergy ?? 0,
      sounds: sound?.packetsReceived ?? 0,
      tracks: video.srcObject?.getTracks().length ?? 0,
      width: video.videoWidth,
      delay: pictures?.jitterBufferEmittedCount ? pictures.jitterBufferDelay / pictures.jitterBufferEmittedCount : 0,
    };
  });

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
  const tab = await page();
  const { status, text } = await tab.evaluate(async () => {
    const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
    const connection = new RTCPeerConnection();
    Object.assign(window, { connection });
    for (const track of media.getTracks()) connection.addTransceiver(track, { direction: "sendonly", streams: [media] });
    await connection.setLocalDescription(await connection.createOffer());
    const response = await fetch("/guest/whip", {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: connection.localDescription?.sdp,
    });
    const text = await response.text();
    if (response.ok) await connection.setRemoteDescription({ type: "answer", sdp: text });
    return { status: response.status, text };
  });
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
