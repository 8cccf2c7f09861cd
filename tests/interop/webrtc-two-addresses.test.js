/**
 * Chromium watches by WHEP on a machine with two addresses, in a network that the test makes: media comes from one of them, and nothing is lost
 * or frozen, as happens where a server answers from the other.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { Browser, until } from "./harness/browser.js";
import { Server } from "./harness/server.js";

const INSIDE = "FIRSTLIGHT_OWN_NETWORK";
const network = (/** @type {string} */ name, /** @type {string} */ ip) =>
  `ip link add ${name} type veth peer name x${name} && ip link set ${name} up && ip link set x${name} up && ip addr add ${ip}/24 dev ${name}`;
const PREPARE = ["ip link set lo up", network("one", "10.9.1.1"), network("two", "10.9.2.1"), 'exec "$@"'].join(" && ");

test("on a machine with two addresses nothing is lost and nothing freezes", async () => {
  if (process.env[INSIDE]) return inside();
  const rights = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const program = [process.execPath, "--test", "--test-reporter=tap", import.meta.filename];
  // What tells a program that it is a test's own child must not reach the one that runs tests.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawn("unshare", [...rights, "--net", "sh", "-c", PREPARE, "sh", ...program], { env: { ...environment, [INSIDE]: "1" } });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  assert.ok(code === 0 && /# pass 1/.test(said), said);
  console.log(/.*pictures, .*/.exec(said)?.[0]);
});

async function inside() {
  const server = await Server.start(`
    auth = "open"
    [webrtc]
    listen = "0.0.0.0:0"
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30, gop = 60, audio = "opus" } }
  `);
  const browser = await Browser.start(["--disable-features=WebRtcHideLocalIpsWithMdns"]);
  try {
    const tab = await browser.open(`${server.url}health`);
    const told = await tab.evaluate(async () => {
      const video = Object.assign(document.createElement("video"), { autoplay: true, muted: true });
      document.body.prepend(video);
      const peer = new RTCPeerConnection();
      Object.assign(window, { peer });
      for (const kind of ["video", "audio"]) peer.addTransceiver(kind, { direction: "recvonly" });
      peer.ontrack = ({ streams }) => (video.srcObject = streams[0]);
      await peer.setLocalDescription();
      const answer = await fetch("/front/whep", { method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription?.sdp });
      const text = await answer.text();
      await peer.setRemoteDescription({ type: "answer", sdp: text });
      return text;
    });
    for (const ip of ["10.9.1.1", "10.9.2.1"]) assert.ok(told.includes(` ${ip} `), told);
    const figures = () =>
      tab.evaluate(async () => {
        const reports = [.../** @type {any} */ (await /** @type {any} */ (window).peer.getStats()).values()];
        const pictures = reports.find((report) => report.type === "inbound-rtp" && report.kind === "video");
        const carrying = reports.filter((report) => report.type === "candidate-pair" && report.bytesReceived > 20_000);
        return { decoded: pictures?.framesDecoded ?? 0, lost: pictures?.packetsLost ?? 0, freezes: pictures?.freezeCount ?? 0, pairs: carrying.length };
      });
    await until("it plays", figures, (now) => now.decoded > 200);
    const now = await figures();
    console.log(`${now.decoded} pictures, ${now.lost} packets lost, ${now.freezes} freezes, by ${now.pairs} pair`);
    assert.deepEqual([now.lost, now.pairs], [0, 1]);
    assert.ok(now.freezes <= 1, `${now.freezes} freezes`);
    const { sessions } = await server.api("webrtc/check");
    const used = sessions[0].candidates.filter((/** @type {any} */ one) => one.state === "used");
    assert.equal(used.length, 1, JSON.stringify(sessions));
  } finally {
    await browser.stop();
    await server.stop();
  }
}
