/**
 * A browser behind a wall that only coturn gets through (it may use nothing but relayed addresses) plays by WebRTC with the TURN server that the
 * configuration names.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
import { live, look } from "./harness/player.js";
import { Server } from "./harness/server.js";

const [USER, PASSWORD] = ["anna", "pass-it-on"];

/** @type {import("node:child_process").ChildProcess} */ let turn;
/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  const port = await freePort();
  const place = ["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", `${port}`];
  const who = ["--lt-cred-mech", "--user", `${USER}:${PASSWORD}`, "--realm", "firstlight.test"];
  const how = ["-n", "--allow-loopback-peers", "--no-cli", "--no-tls", "--no-dtls", "--log-file", "/dev/null", "--pidfile", "/dev/null"];
  turn = spawn("turnserver", [...place, ...who, ...how], { stdio: "ignore" });
  await once(turn, "spawn");
  server = await Server.start(`
    [webrtc]
    listen = "127.0.0.1:0"
    ice_servers = [{ url = "turn:127.0.0.1:${port}", user = "${USER}", password = "${PASSWORD}" }]
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30, gop = 60, audio = "opus" } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  turn?.kill();
});

/** A port that nobody has by UDP. */
async function freePort() {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

test("a browser that only a TURN server gets through plays by WebRTC", async () => {
  const tab = await browser.open(`${server.url}health`);
  await tab.evaluateOnNewDocument(() => {
    const Real = window.RTCPeerConnection;
    const relayed = (/** @type {RTCConfiguration} */ wanted) => ({ ...wanted, iceTransportPolicy: /** @type {const} */ ("relay") });
    window.RTCPeerConnection = class extends Real {
      constructor(/** @type {RTCConfiguration} */ wanted) {
        super(relayed(wanted));
        /** @type {any} */ (window).connections = [.../** @type {any} */ (window).connections ?? [], this];
      }
    };
  });
  await tab.goto(`${server.url}front/`, { waitUntil: "domcontentloaded" });
  await live(tab, "webrtc");
  await until("pictures", () => look(tab), (now) => now.stats.transport === "webrtc" && now.stats.fps >= 25);
  const used = await tab.evaluate(async () => {
    const stats = [...(await /** @type {any} */ (window).connections.at(-1).getStats()).values()];
    const pair = stats.find((report) => report.type === "candidate-pair" && report.nominated);
    return stats.find((report) => report.id === pair.localCandidateId).candidateType;
  });
  assert.equal(used, "relay");
  const { sessions } = await server.api("webrtc/check");
  assert.equal(sessions.length, 1);
});
