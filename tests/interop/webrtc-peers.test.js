/**
 * Peers by WebRTC that take no loopback address, in a network of their own: Firefox, which knows no H.264 here, publishes VP8, and
 * Chromium watches that; GStreamer's webrtcbin watches.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
import { ADDRESS, isInside, runInside } from "./harness/own-network.js";
import { Program } from "./harness/program.js";
import { Server } from "./harness/server.js";
import { figures, publish, watch } from "./harness/webrtc.js";

if (isInside) tests();
else test("other peers by WebRTC, in a network of their own", (context) => runInside(import.meta.filename, (said) => context.diagnostic(said), { route: true }));

function tests() {
  /** @type {Server} */ let server;
  /** @type {Browser} */ let browser;

  before(async () => {
    server = await Server.start(`
      auth = "open"
      [webrtc]
      listen = "${ADDRESS}:0"
      [streams.front]
      source = { test = { width = 640, height = 360, fps = 30, gop = 60, audio = "opus" } }
      [streams.visitor]
    `);
    browser = await Browser.start();
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  test("Firefox publishes VP8 by WHIP, and Chromium watches it", async () => {
    const firefox = await Browser.firefox({
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.peerconnection.ice.obfuscate_host_addresses": false,
    });
    try {
      const { status, text } = await publish(await firefox.open(`${server.url}health`), "visitor");
      assert.equal(status, 201, text);
      await until("it is live", () => server.api("streams/visitor"), (stream) => stream.state === "live", 30_000);
      const watcher = await browser.open(`${server.url}health`);
      const answer = await watch(watcher, "visitor");
      assert.equal(answer.status, 201, answer.text);
      await until("it plays", () => figures(watcher), (now) => now.decoded > 30 && now.energy > 0);
      const stream = await server.api("streams/visitor");
      assert.deepEqual(stream.tracks.map((/** @type {any} */ track) => track.codec.slice(0, 4)).sort(), ["opus", "vp08"]);
      await watcher.close();
    } finally {
      await firefox.stop();
    }
  });

  test("GStreamer's webrtcbin watches by WHEP: pictures and sound", async () => {
    // Debian's own Python: it is what has GStreamer.
    const player = new Program("/usr/bin/python3", [join(import.meta.dirname, "peers", "webrtcbin_whep.py"), `${server.url}front/whep`]);
    try {
      const { width } = await player.hears("pictures", ({ kind, count }) => kind === "video" && count === 30, 60_000);
      assert.equal(width, 640);
      await player.hears("sound", ({ kind, count }) => kind === "audio" && count === 30);
    } finally {
      await player.end();
    }
    await until("it has gone", () => server.api("streams/front"), ({ viewers }) => viewers === 0, 20_000);
  });
}
