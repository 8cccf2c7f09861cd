/** Codecs that are passed on as they are: AV1 plays; of H.265, for which the browser has no decoder, the page says so in words, and names it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Browser, screenshot, until } from "./harness/browser.js";
import { listen, look } from "./harness/player.js";
import { Server } from "./harness/server.js";

/** @type {string} */ let folder;
/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "firstlight-codecs-"));
  const make = async (/** @type {string} */ name, /** @type {string[]} */ ...video) => {
    const clip = join(folder, `${name}.mp4`);
    const picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4", "-pix_fmt", "yuv420p"];
    await promisify(execFile)("ffmpeg", ["-v", "error", ...picture, ...video, clip]);
    return `[streams.${name}]\nsource = "file:${clip}"\n`;
  };
  const h265 = await make("h265", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25", "-tag:v", "hvc1");
  const av1 = await make("av1", "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-g", "25");
  server = await Server.start(h265 + av1);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test("what the browser cannot play is said with the codec's name", async () => {
  const tab = await browser.open(`${server.url}h265/`);
  const decodes = await tab.evaluate(async () => {
    const codec = "hvc1.1.6.L60.90";
    const { supported } = await VideoDecoder.isConfigSupported({ codec }).catch(() => ({ supported: false }));
    return supported || MediaSource.isTypeSupported(`video/mp4; codecs="${codec}"`);
  });
  const says = () =>
    tab.evaluate(() => {
      const player = /** @type {any} */ (document.querySelector("firstlight-player"));
      return { state: player.state, text: player.shadowRoot?.textContent ?? "" };
    });
  // Where it is decoded it plays; Debian's Chromium does not.
  const seen = await until("it plays or says why not", says, ({ state, text }) => (decodes ? state === "live" : text.includes("H.265")), 30_000);
  await screenshot(tab, "h265");
  if (!decodes) assert.notEqual(seen.state, "live");
  await tab.close();
});

for (const transport of ["webcodecs", "mse"]) {
  test(`AV1 plays by ${transport}`, async () => {
    const tab = await browser.open(`${server.url}av1/`);
    await listen(tab, transport);
    const playing = (/** @type {any} */ now) => now.state === "live" && now.transport === transport && now.stats.fps >= 15;
    const now = await until("pictures", () => look(tab), playing, 15_000);
    assert.deepEqual([now.stats.width, now.stats.height], [320, 240]);
    assert.match(now.stats.videoCodec, /^av01\.0\.00M\.08/);
    assert.deepEqual(tab.complaints, []);
    await tab.close();
  });
}
