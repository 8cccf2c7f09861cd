/**
 * The parts of RTCBot's script that need no connection, as its documentation has them: queues, keys, gamepads, WebSockets. Connections are tested
 * with browsers, from outside.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

/** The script, loaded as pages that bundle it do, with these in the place of a browser's. @param {Record<string, any>} browser @returns {any} */
function load(browser) {
  const text = readFileSync(new URL("../rtcbot.js", import.meta.url), "utf8");
  const module = { exports: {} };
  new Function("module", ...Object.keys(browser), text)(module, ...Object.values(browser));
  return module.exports;
}

test("everything that the documentation names is there", () => {
  assert.deepEqual(Object.keys(load({})).sort(), ["Gamepad", "Keyboard", "Queue", "RTCConnection", "Websocket", "setGamepadRate"]);
});

test("a queue gives what was put in, in its order, and whoever asks early waits", async () => {
  const queue = new (load({}).Queue)();
  queue.put_nowait(1);
  queue.put_nowait(2);
  assert.deepEqual([await queue.get(), await queue.get()], [1, 2]);
  const [first, second] = [queue.get(), queue.get()];
  queue.put_nowait("a");
  queue.put_nowait("b");
  assert.deepEqual([await second, await first], ["b", "a"]);
});

test("keys are told of once each time they go down or up, until it is closed", () => {
  const page = new EventTarget();
  const [addEventListener, removeEventListener] = [page.addEventListener.bind(page), page.removeEventListener.bind(page)];
  const keyboard = new (load({ addEventListener, removeEventListener }).Keyboard)();
  /** @type {any[]} */ const heard = [];
  keyboard.subscribe((/** @type {any} */ event) => heard.push(event));
  const key = (/** @type {string} */ type, repeat = false) =>
    page.dispatchEvent(Object.assign(new Event(type), { altKey: false, shiftKey: true, keyCode: 87, key: "W", repeat }));
  key("keydown");
  key("keydown", true);
  key("keyup");
  keyboard.close();
  key("keydown");
  assert.deepEqual(heard, ["keydown", "keyup"].map((type) => ({ type, altKey: false, shiftKey: true, keyCode: 87, key: "W" })));
});

test("of a gamepad is told what has changed, as often as was set", () => {
  const pad = { buttons: [{ pressed: false }, { pressed: true }], axes: [0, 0.5] };
  /** @type {(() => void)[]} */ let due = [];
  /** @type {number[]} */ const waits = [];
  const setTimeout = (/** @type {() => void} */ what, /** @type {number} */ after) => (due.push(what), waits.push(after));
  const script = load({ navigator: { getGamepads: () => [null, pad] }, setTimeout, clearTimeout: () => (due = []) });
  script.setGamepadRate(20);
  const gamepad = new script.Gamepad();
  /** @type {any[]} */ const heard = [];
  gamepad.subscribe((/** @type {any} */ event) => heard.push(event));
  const look = () => due.splice(0).forEach((what) => what());
  look();
  assert.deepEqual(heard, []);
  pad.buttons[0].pressed = true;
  pad.axes[1] = -1;
  look();
  look();
  assert.deepEqual(heard, [{ type: "btn0", value: true }, { type: "axis1", value: -1 }]);
  assert.deepEqual(new Set(waits), new Set([50]));
  gamepad.close();
  assert.equal(due.length, 0);
});

test("a WebSocket says what waited, texts as they are and all else as JSON, and keeps what nobody has heard", async () => {
  class WebSocket {
    static OPEN = 1;
    readyState = 0;
    /** @type {string[]} */ sent = [];
    /** @type {(event: object) => void} */ onmessage = () => {};
    onopen = () => {};
    /** @param {string} text */
    send(text) {
      this.sent.push(text);
    }
    close() {
      this.readyState = 3;
    }
  }
  const socket = new (load({ WebSocket }).Websocket)("ws://robot/ws");
  socket.put_nowait({ x: 1 });
  socket.ws.readyState = 1;
  socket.ws.onopen();
  socket.put_nowait("as it is");
  assert.deepEqual(socket.ws.sent, ['{"x":1}', "as it is"]);
  socket.ws.onmessage({ data: "early" });
  assert.equal(await socket.get(), "early");
  /** @type {any[]} */ const heard = [];
  socket.subscribe((/** @type {any} */ message) => heard.push(message));
  socket.ws.onmessage({ data: "late" });
  assert.deepEqual(heard, ["late"]);
  await socket.close();
  assert.equal(socket.ws.readyState, 3);
});
