/**
 * The three programs of the robot's tutorial (`robot/examples`) and Chromium with RTCBot's script: pictures out, with sound, and a browser's camera
 * and microphone in, shown in a window and played on a device.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
import { Robot, Screen } from "./harness/robot.js";

/** @type {Browser} */ let browser;

before(async () => {
  browser = await Browser.start([
    "--allow-loopback-in-peer-connection",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
  ]);
});
after(() => browser?.stop());

/** What a page plays, and how loud it is. @param {import("puppeteer-core").Page} tab */
const played = (tab) =>
  tab.evaluate(async () => {
    const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
    // @ts-ignore the page's own
    const stats = [...(await conn.rtc.getStats()).values()].filter((one) => one.type === "inbound-rtp");
    const of = (/** @type {string} */ kind) => stats.find((one) => one.kind === kind) ?? {};
    return {
      decoded: of("video").framesDecoded ?? 0,
      energy: of("audio").totalAudioEnergy ?? 0,
      lost: of("video").packetsLost ?? 0,
      size: `${video.videoWidth}x${video.videoHeight}`,
      time: video.currentTime,
    };
  });

test("a browser watches the robot, and another one when the first is gone", async () => {
  const robot = await Robot.start("video", ["test"]);
  try {
    for (let visit = 0; visit < 2; visit += 1) {
      const tab = await browser.open(robot.url);
      await until("it plays", () => played(tab), (now) => now.decoded > 30 && now.time > 0.5);
      const now = await played(tab);
      assert.deepEqual([now.size, now.lost], ["320x240", 0]);
      assert.deepEqual(tab.complaints.filter((one) => !one.includes("404")), []);
      await tab.close();
    }
    const refused = await fetch(`${robot.url}connect`, { method: "POST", body: "{}" });
    assert.deepEqual([refused.status, /cannot be understood/.test(await refused.text())], [400, true]);
  } finally {
    await robot.stop();
  }
});

test("a browser watches the robot and hears its microphone", async () => {
  const robot = await Robot.start("audio", ["test"]);
  try {
    const tab = await browser.open(robot.url);
    await until("it plays", () => played(tab), (now) => now.decoded > 20 && now.energy > 0.001);
    await tab.close();
  } finally {
    await robot.stop();
  }
});

test("the robot shows a browser's camera in a window and plays its microphone", async () => {
  const screen = await Screen.start();
  const robot = await Robot.start("receive", [], { screen });
  try {
    const tab = await browser.open(robot.url);
    await tab.click("button");
    // The fake camera is green, the screen black without a window.
    const green = () => {
      const pixels = screen.middle();
      let count = 0;
      for (let at = 0; at < pixels.length; at += 3) count += Number(pixels[at + 1] > 100 && pixels[at] < 100);
      return count / (pixels.length / 3);
    };
    await until("the window is there", async () => green(), (share) => share > 0.3, 20_000);
    await screen.shoot("robot-window");
    const loud = async () => {
      const heard = await robot.heard();
      let loudest = 0;
      for (let at = 0; at + 1 < heard.length; at += 2) loudest = Math.max(loudest, Math.abs(heard.readInt16LE(at)));
      return loudest;
    };
    await until("the beeps are heard", loud, (loudest) => loudest > 1_000, 20_000);
    // @ts-ignore the page's own
    await tab.evaluate(() => conn.close());
    await until("the window is gone with the connection", async () => green(), (share) => share === 0, 30_000);
    await tab.close();
  } finally {
    await robot.stop();
    await screen.stop();
  }
});
