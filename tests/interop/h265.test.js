/** H.265 in a browser that has no decoder for it: the page says so in words, and names the codec. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Browser, screenshot, until } from "./harness/browser.js";
import { Server } from "./harness/server.js";

/** @type {string} */ let folder;
/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "firstlight-h265-"));
  const clip = join(folder, "clip.mp4");
  const video = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25", "-pix_fmt", "yuv420p", "-tag:v", "hvc1"];
  await promisify(execFile)("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4", ...video, clip]);
  server = await Server.start(`[streams.front]\nsource = "file:${clip}"\n`);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test("what the browser cannot play is said with the codec's name", async () => {
  const tab = await browser.open(`${server.url}front/`);
  const decodes = await tab.evaluate(async () => {
    const codec = "hvc1.1.6.L60.90";
    const { supported } = await VideoDecoder.isConfigSupported({ codec }).catch(() => ({ supported: false }));
    return supported || MediaSource.isTypeSupported(`video/mp4; codecs="${codec}"`);
  });
  const look = () =>
    tab.evaluate(() => {
      const player = /** @type {any} */ (document.querySelector("firstlight-player"));
      return { state: player.state, text: player.shadowRoot?.textContent ?? "" };
    });
  // Where it is decoded it plays; Debian's Chromium does not.
  const seen = await until("it plays or says why not", look, ({ state, text }) => (decodes ? state === "live" : text.includes("H.265")), 30_000);
  await screenshot(tab, "h265");
  if (!decodes) assert.notEqual(seen.state, "live");
  await tab.close();
});
