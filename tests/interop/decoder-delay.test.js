/**
 * Decoder delay: a camera whose SPS leaves out `bitstream_restriction` and whose pictures are numbered in larger steps
 * than one picture each makes Chromium hold pictures back, unless it is told that nothing is reordered.
 *
 * Such a camera: x264 with every second picture a disposable B picture, these left out (a lower frame rate out of a
 * running encoder), and the VUI left out.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Browser } from "./harness/browser.js";
import { byteStream, nalType, nalUnits, withoutVui } from "./harness/h264.js";
import { Server } from "./harness/server.js";

/** @type {string} */ let directory;
/** @type {Buffer} */ let sps;
/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "firstlight-camera-"));
  const units = nalUnits(execFileSync("ffmpeg", ENCODE));
  const original = units.find((unit) => nalType(unit) === 7);
  assert.ok(original, "ffmpeg wrote no SPS");
  sps = withoutVui(original);
  const referenced = units.filter((unit) => nalType(unit) !== 1 || (unit[0] & 0x60) !== 0);
  const file = join(directory, "camera.264");
  await writeFile(file, byteStream(referenced.map((unit) => (nalType(unit) === 7 ? sps : unit))));
  const camera = join(import.meta.dirname, "harness", "camera.js");
  server = await Server.start(`
    [streams.lens]
    source = { exec = { command = "'${process.execPath}' '${camera}' '${file}'", format = "annexb" } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
});

test("a decoder holds back at most one picture of a camera that reorders none, and more by the camera's own SPS", async () => {
  const tab = await browser.open(server.url);
  const url = `${server.url.replace("http", "ws")}lens/ws?format=webcodecs`;
  for (const optimizeForLatency of [true, false]) {
    const ours = await tab.evaluate(decode, { url, sps: null, optimizeForLatency });
    const own = await tab.evaluate(decode, { url, sps: sps.toString("base64"), optimizeForLatency });
    assert.deepEqual([ours.error, own.error], [null, null]);
    assert.ok(ours.held <= 1, `${ours.held} pictures are held back (optimizeForLatency ${optimizeForLatency})`);
    assert.ok(own.held >= 4, `the camera's own SPS holds back ${own.held}: the test proves nothing`);
  }
  assert.deepEqual(tab.complaints, []);
});

/**
 * In the page: decodes 40 pictures, each when the one before is done with, and counts those that went in and had not
 * come out, at most.
 *
 * @param {{ url: string, sps: string | null, optimizeForLatency: boolean }} options `sps`: instead of the one sent
 */
async function decode({ url, sps, optimizeForLatency }) {
  const { units, fromBase64 } = await import(/** @type {any} */ ("/assets/players/units.js"));
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  /** @type {VideoDecoder | null} */
  let decoder = null;
  let [given, shown, held] = [0, 0, 0];
  /** @type {string | null} */
  let error = null;
  const replaced = (/** @type {Uint8Array} */ record) => {
    if (!sps) return record;
    const [made, from] = [fromBase64(sps), 8 + ((record[6] << 8) | record[7])];
    return Uint8Array.of(...record.subarray(0, 6), made.length >> 8, made.length & 255, ...made, ...record.subarray(from));
  };
  await new Promise((done) => {
    let order = Promise.resolve();
    socket.onmessage = ({ data }) => (order = order.then(() => take(data)));
    socket.onclose = () => ((error ??= "closed"), done(null));
    const take = async (/** @type {string | ArrayBuffer} */ data) => {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        if (message.type !== "configuration") return;
        const video = message.tracks.find((/** @type {any} */ track) => track.kind === "video");
        decoder = new VideoDecoder({
          output: (frame) => (shown++, frame.close()),
          error: (reason) => ((error = String(reason)), done(null)),
        });
        decoder.configure({ codec: video.codec, description: replaced(fromBase64(video.description)), optimizeForLatency });
        return;
      }
      for (const unit of units(data)) {
        if (given >= 40 || decoder?.state !== "configured") return done(null);
        decoder.decode(new EncodedVideoChunk({ type: unit.randomAccess ? "key" : "delta", timestamp: unit.pts, data: unit.data }));
        given++;
        await new Promise((next) => setTimeout(next, 25));
        held = Math.max(held, given - shown);
      }
    };
  });
  socket.onclose = socket.onmessage = null;
  socket.close();
  return { given, held, error };
}

const ENCODE = [
  ..."-v error -f lavfi -i testsrc2=s=640x360:r=60 -t 4 -c:v libx264 -profile:v high -refs 4 -pix_fmt yuv420p".split(" "),
  ..."-x264-params bframes=1:b-adapt=0:b-pyramid=none:keyint=60:scenecut=0 -f h264 -".split(" "),
];
