/**
 * Glass to glass: opens the player page of a `test` stream in headless Chromium and reads the machine-readable clock
 * (docs/ref/clock-code.md) from the picture shown. Server and browser share this machine's clock.
 *
 *     node glass.js http://127.0.0.1:8080/bench/ [--seconds 10] [--transports webcodecs,mse,webrtc] [--joins 20]
 *
 * Prints one JSON object a transport, and one of joins by WebRTC, from the offer's POST to the first picture (`join.js`). A picture counts when it is first seen: in the frame callback of a <video>, in the
 * animation frame of a <canvas>. Both come at 60 Hz, so a latency is good to about 17 ms. Not here: what the player
 * itself says of its latency.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";
import { join as joinAgain } from "./join.js";
import { sample } from "./sample.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "3" },
    transports: { type: "string", default: "webcodecs,mse,webrtc" },
    joins: { type: "string", default: "20" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    screenshot: { type: "string" },
  },
});
const [page] = positionals;
if (!page) throw new Error("usage: node glass.js PAGE_URL");

/** One browser with one page. */
async function browse(act) {
  const profile = await mkdtemp(join(tmpdir(), "firstlight-glass-"));
  const browser = await puppeteer.launch({
    executablePath: values.chromium,
    headless: false, // the flag below says which kind of headless
    userDataDir: profile,
    args: FLAGS,
    defaultViewport: { width: 1280, height: 800 },
  });
  try {
    const tab = await browser.newPage();
    const complaints = [];
    tab.on("pageerror", (error) => complaints.push(String(error)));
    tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    return { ...(await act(tab)), complaints: complaints.slice(0, 5) };
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** One player. */
function watch(url, transport) {
  url.searchParams.set("transport", transport);
  return browse(async (tab) => {
    await tab.evaluateOnNewDocument(keepPeers);
    await tab.goto(url.href, { waitUntil: "domcontentloaded" });
    const shown = await tab.evaluate(sample, {
      reader: new URL("/assets/clock-code.js", url).href,
      transport,
      warmUpMs: Number(values["warm-up"]) * 1000,
      windowMs: Number(values.seconds) * 1000,
    });
    const decodeMs = await tab.evaluate(decodeTime);
    if (values.screenshot) await tab.screenshot({ path: `${values.screenshot}-${transport}.png` });
    return { ...summary(shown), decodeMs };
  });
}

/** In the page: keeps the peer connections that are made, so that they can be asked how long they decode. */
function keepPeers() {
  const Peer = globalThis.RTCPeerConnection;
  globalThis.peers = [];
  globalThis.RTCPeerConnection = class extends Peer {
    constructor(...configuration) {
      super(...configuration);
      globalThis.peers.push(this);
    }
  };
}

/** In the page: milliseconds that a picture is decoded for, on average; null if none came by WebRTC. */
async function decodeTime() {
  for (const peer of globalThis.peers) {
    for (const entry of (await peer.getStats()).values()) {
      if (entry.type === "inbound-rtp" && entry.kind === "video" && entry.framesDecoded > 0)
        return (entry.totalDecodeTime * 1000) / entry.framesDecoded;
    }
  }
  return null;
}

/** @param {{ element: string | null, seconds: number, firstMs: number | null, pictures: { time: number, age: number }[], quality: object | null, unread: number }} shown */
function summary({ pictures, ...rest }) {
  const ages = pictures.map((picture) => picture.age).sort((a, b) => a - b);
  const steps = pictures.slice(1).map((picture, at) => picture.time - pictures[at].time);
  const step = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const skipped = steps.reduce((sum, ms) => sum + Math.max(0, Math.round(ms / step) - 1), 0);
  const at = (part) => ages[Math.max(0, Math.ceil(part * ages.length) - 1)] ?? null;
  return {
    ...rest,
    pictures: pictures.length,
    fps: pictures.length / rest.seconds,
    skipped,
    ageMs: { p50: at(0.5), p95: at(0.95), max: at(1) },
  };
}

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--allow-loopback-in-peer-connection",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

for (const transport of values.transports.split(",")) {
  const result = await watch(new URL(page), transport);
  console.log(JSON.stringify({ transport, ...result }));
}
const joins = Number(values.joins);
if (joins > 0) {
  const result = await browse(async (tab) => {
    // A page that watches keeps the camera on, muted as the others are.
    await tab.goto(new URL("/", page).href, { waitUntil: "domcontentloaded" });
    return { joinMs: await tab.evaluate(joinAgain, { whep: new URL("whep", page).href, joins }) };
  });
  console.log(JSON.stringify(result));
}
