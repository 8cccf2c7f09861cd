/**
 * Glass to glass: opens the player page of a `test` stream in headless Chromium and reads the machine-readable clock
 * (docs/ref/clock-code.md) from the picture shown. Server and browser share this machine's clock.
 *
 *     node glass.js http://127.0.0.1:8080/bench/ [--seconds 10] [--transports webcodecs,mse]
 *
 * Prints one JSON object a transport. A picture counts when it is first seen: in the frame callback of a <video>, in the
 * animation frame of a <canvas>. Both come at 60 Hz, so a latency is good to about 17 ms. Not here: what the player
 * itself says of its latency.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";
import { sample } from "./sample.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "3" },
    transports: { type: "string", default: "webcodecs,mse" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    screenshot: { type: "string" },
  },
});
const [page] = positionals;
if (!page) throw new Error("usage: node glass.js PAGE_URL");

/** One browser, one player. */
async function watch(url, transport) {
  url.searchParams.set("transport", transport);
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
    await tab.goto(url.href, { waitUntil: "domcontentloaded" });
    const shown = await tab.evaluate(sample, {
      reader: new URL("/assets/clock-code.js", url).href,
      transport,
      warmUpMs: Number(values["warm-up"]) * 1000,
      windowMs: Number(values.seconds) * 1000,
    });
    if (values.screenshot) await tab.screenshot({ path: `${values.screenshot}-${transport}.png` });
    return { ...summary(shown), complaints: complaints.slice(0, 5) };
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
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
