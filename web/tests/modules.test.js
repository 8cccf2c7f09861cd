/**
 * The modules that need no browser: addresses, message framing, clocks, the code in the test picture, init segments.
 * Run by `node --test` (`npm test` in `web/`). What needs a browser is tested from outside, with Chromium.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../clock-code.js";
import { Address } from "../players/address.js";
import { codecName } from "../players/codec-name.js";
import { isInitSegment, tracksOf } from "../players/init-segment.js";
import { PartReader } from "../players/parts.js";
import { Playout } from "../players/playout.js";
import { ServerClock } from "../players/server-clock.js";
import { units } from "../players/units.js";
import { only, verdict } from "../players/ways.js";
import { apart, iceServers } from "../players/webrtc.js";
import { MediaClock } from "../publish/media-clock.js";
import { level } from "../publish/picture.js";
import { message } from "../publish/unit.js";
import { held } from "../ui/pad.js";
import { previews, weight } from "../ui/preview.js";
import { covers } from "../ui/who.js";

// ---- addresses

test("a name of several parts stands in every url", () => {
  const address = new Address("/OAK1/CAM_A", "https://host:8443/front/");
  assert.equal(address.name, "OAK1/CAM_A");
  assert.equal(address.page, "https://host:8443/OAK1/CAM_A/");
  assert.equal(address.socket("fmp4"), "wss://host:8443/OAK1/CAM_A/ws?format=fmp4");
  assert.equal(address.api("streams"), "https://host:8443/api/v1/streams");
});

test("another server and a token go along", () => {
  const address = new Address("http://camera.local:8080/front/?token=a%2Bb", "https://elsewhere/");
  assert.equal(address.socket("webcodecs", { audio: 0 }), "ws://camera.local:8080/front/ws?token=a%2Bb&format=webcodecs&audio=0");
  assert.equal(address.api("streams"), "http://camera.local:8080/api/v1/streams?token=a%2Bb");
});

test("a name with other letters is read and written back", () => {
  const address = new Address("/k%C3%BCche/", "http://host/");
  assert.equal(address.name, "küche");
  assert.equal(address.page, "http://host/k%C3%BCche/");
});

test("protocols of their own have their port, where it is not the usual one", () => {
  const address = new Address("/OAK1/CAM_A/?token=x", "https://host:8443/");
  assert.equal(address.by("rtsp", 8554), "rtsp://host:8554/OAK1/CAM_A?token=x");
  assert.equal(address.by("rtmp", 1935), "rtmp://host/OAK1/CAM_A?token=x");
});

test("ICE servers stand in Link headers, with what opens them", () => {
  const header = '<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="my\\"pass,word"; credential-type="password", </front/whep/1>; rel="other"';
  assert.deepEqual(iceServers(header), [
    { urls: "stun:stun.example.net" },
    { urls: "turn:turn.example.net?transport=udp", username: "user", credential: 'my"pass,word' },
  ]);
  assert.deepEqual(iceServers(""), []);
});

test("an answer's sound is made another stream than its pictures", () => {
  const [head, video, audio] = ["v=0\r\na=msid-semantic:WMS a\r\n", "m=video 9 X 96\r\na=msid:a v\r\n", "m=audio 9 X 111\r\na=msid:a s\r\na=ssrc:5 msid:a s\r\n"];
  assert.equal(apart(head + video + audio), `${head}${video}m=audio 9 X 111\r\na=msid:a-sound s\r\na=ssrc:5 msid:a-sound s\r\n`);
  assert.equal(apart(head + video), head + video);
});

// ---- driving

test("keys that are held lead somewhere, opposite ones nowhere, and nowhere faster than one alone", () => {
  const lead = (/** @type {string[]} */ ...keys) => held(new Set(keys));
  assert.deepEqual(lead(), { x: 0, y: 0 });
  assert.deepEqual(lead("KeyW"), { x: 0, y: 1 });
  assert.deepEqual(lead("KeyW", "ArrowUp"), { x: 0, y: 1 });
  assert.deepEqual(lead("KeyA", "KeyD"), { x: 0, y: 0 });
  const { x, y } = lead("ArrowDown", "KeyD");
  assert.ok(Math.abs(Math.hypot(x, y) - 1) < 1e-9 && x > 0 && y < 0);
});

// ---- units

/** @param {number} track @param {number} flags @param {number} pts @param {number} captured @param {number[]} payload */
function unit(track, flags, pts, captured, payload) {
  const bytes = new Uint8Array(24 + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set([1, track, flags, 0]);
  view.setUint32(4, payload.length);
  view.setBigInt64(8, BigInt(pts));
  view.setBigInt64(16, BigInt(captured));
  bytes.set(payload, 24);
  return [...bytes];
}

test("every unit of a message is read, in order", () => {
  const message = Uint8Array.from([...unit(2, 1, -21_333, 0, [9]), ...unit(1, 2, 33_333, 1_795_224_896_007_123, [1, 2, 3])]);
  const [sound, picture, ...rest] = units(message.buffer);
  assert.deepEqual([sound.track, sound.randomAccess, sound.pts, sound.captured, [...sound.data]], [2, true, -21_333, 0, [9]]);
  assert.deepEqual([picture.randomAccess, picture.disposable, picture.pts], [false, true, 33_333]);
  assert.deepEqual([picture.captured, [...picture.data]], [1_795_224_896_007_123, [1, 2, 3]]);
  assert.equal(rest.length, 0);
});

test("a message cut anywhere is refused and never read past", () => {
  const whole = Uint8Array.from(unit(1, 1, 0, 0, [1, 2, 3, 4]));
  for (let length = 1; length < whole.length; length++) {
    assert.throws(() => [...units(whole.slice(0, length).buffer)], /unit at byte 0/);
  }
  whole[4] = 0xff;
  assert.throws(() => [...units(whole.buffer)], /payload cut off/);
});

// ---- the clock in the picture

/** @param {string} upper @param {string} lower */
const cells = (upper, lower) => (/** @type {number} */ row, /** @type {number} */ column) =>
  [upper, lower][row].replaceAll(" ", "")[column] === "1" ? 650 : 70;

test("the documented clock codes are read", () => {
  const examples = [
    [0, "10 0000000000000000000000000000 01", "01 0000000000000000011011111001 10"],
    [1, "10 0000000000000000000000000000 01", "01 0000000000000001111011110110 10"],
    [1700000000123, "10 0001100010111100111111100101 01", "01 0110100001111011110000100011 10"],
    [1795224896007, "10 0001101000011111101110111110 01", "01 0000001000000111011111110000 10"],
    [17592186044415, "10 1111111111111111111111111111 01", "01 1111111111111111000011111001 10"],
  ];
  for (const [time, upper, lower] of examples) assert.equal(decode(cells(String(upper), String(lower))), time);
});

test("one wrong cell makes it no clock code", () => {
  const upper = "10 0001101000011111101110111110 01";
  const read = cells(upper, "01 0000001000000111011111110000 10");
  for (let at = 0; at < 64; at++) {
    const wrong = (/** @type {number} */ row, /** @type {number} */ column) => {
      const value = read(row, column);
      return row * 32 + column === at ? 720 - value : value;
    };
    assert.equal(decode(wrong), null);
  }
});

test("an even picture is no clock code", () => {
  assert.equal(decode(() => 300), null);
});

// ---- initialization segments

/** @param {string} name @param {number[]} content */
function box(name, content) {
  const size = content.length + 8;
  return [size >> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255, ...[...name].map((c) => c.charCodeAt(0)), ...content];
}
const zeros = (/** @type {number} */ count) => new Array(count).fill(0);
/** @param {number[]} entry */
const trak = (entry) => box("trak", box("mdia", box("minf", box("stbl", box("stsd", [...zeros(8), ...entry])))));

test("codec strings come from the sample entries", () => {
  const avc = box("avc1", [...zeros(24), 5, 0, 2, 0xd0, ...zeros(50), ...box("avcC", [1, 0x64, 0, 0x1f, 0xff])]);
  const hevc = [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
  const hvc = box("hvc1", [...zeros(78), ...box("hvcC", hevc)]);
  const esds = box("esds", [...zeros(4), 3, 0x80, 0x80, 0x80, 22, 0, 2, 0, 4, 17, 0x40, 0x15, ...zeros(11), 5, 2, 0x11, 0x90]);
  const mp4a = box("mp4a", [...zeros(16), 0, 2, 0, 16, 0, 0, 0, 0, 0xbb, 0x80, 0, 0, ...esds]);
  const opus = box("Opus", [...zeros(16), 0, 1, 0, 16, 0, 0, 0, 0, 0xbb, 0x80, 0, 0]);
  const segment = Uint8Array.from([...box("ftyp", zeros(8)), ...box("moov", [...trak(avc), ...trak(hvc), ...trak(mp4a), ...trak(opus)])]);
  assert.ok(isInitSegment(segment.buffer));
  const tracks = tracksOf(segment.buffer);
  assert.deepEqual(tracks.map((t) => t.codec), ["avc1.64001f", "hvc1.1.6.L93.b0", "mp4a.40.2", "opus"]);
  assert.deepEqual([tracks[0].width, tracks[0].height], [1280, 720]);
  assert.deepEqual([tracks[2].sampleRate, tracks[2].channels], [48000, 2]);
  for (let length = 0; length < segment.length; length++) tracksOf(segment.slice(0, length).buffer);
});

test("a movie fragment is no initialization segment", () => {
  assert.equal(isInitSegment(Uint8Array.from(box("moof", zeros(20))).buffer), false);
});

test("codecs have names people know", () => {
  assert.equal(codecName("hvc1.1.6.L93.b0"), "H.265 (hvc1.1.6.L93.b0)");
  assert.equal(codecName("xyz"), "xyz");
});

// ---- clocks

test("the shortest round trip decides the server's clock", () => {
  const clock = new ServerClock();
  assert.equal(clock.offset, null);
  clock.pong(1000, 1040, 1_520_000);
  clock.pong(2000, 2004, 2_502_500);
  clock.pong(3000, 3100, 3_590_000);
  assert.equal(clock.offset, 500.5);
  assert.equal(clock.rtt, 4);
});

test("on an even path a picture is due at once", () => {
  const playout = new Playout();
  for (let i = 0; i < 100; i++) {
    playout.arrived(i * 33, 5000 + i * 33);
    playout.step(5000 + i * 33);
  }
  assert.equal(playout.delay, 0);
  assert.equal(playout.due(100 * 33), 5000 + 100 * 33);
});

test("late pictures make the buffer as deep as they are late, and never deeper than 50 ms", () => {
  const playout = new Playout();
  for (let i = 0; i < 300; i++) {
    const now = 5000 + i * 33 + (i % 2) * 20;
    playout.arrived(i * 33, now);
    playout.step(now);
  }
  assert.ok(playout.delay > 18 && playout.delay <= 20, `${playout.delay}`);
  for (let i = 300; i < 900; i++) {
    const now = 5000 + i * 33 + (i % 2) * 120;
    playout.arrived(i * 33, now);
    playout.step(now);
  }
  assert.ok(playout.delay > 45 && playout.delay <= 50, `${playout.delay}`);
});

test("the backlog at the start does not make the buffer deep", () => {
  const playout = new Playout();
  for (let i = 0; i < 60; i++) playout.arrived(i * 33, 5000 + i * 0.2);
  playout.step(5020);
  playout.step(6020);
  assert.equal(playout.delay, 0);
  assert.ok(Math.abs(playout.due(59 * 33) - 5011.8) < 0.001);
});

test("sound trails the picture by 40 to 50 ms and no more", () => {
  const playout = new Playout();
  let now = 5000;
  for (let i = 0; i < 400; i++, now += 20) {
    playout.arrived(i * 20, now);
    playout.soundArrived(i * 20 - 25, now, 40);
    playout.step(now);
    const trails = playout.soundDue(0) - playout.due(0);
    assert.ok(trails >= 0 && trails <= 50, `${trails} ms after ${i}`);
  }
  assert.equal(Math.round(playout.soundDue(0) - playout.due(0)), 40);
});

test("a stall does not make the sound later than it was before", () => {
  const playout = new Playout();
  const play = (/** @type {number} */ i, /** @type {number} */ now) => {
    playout.soundArrived(i * 20 - 25, now, 40);
    playout.arrived(i * 20, now);
    playout.step(now);
  };
  for (let i = 0; i < 400; i++) play(i, 5000 + i * 20);
  const before = playout.soundDue(0) - 5000;
  // Five seconds come at once, sound before pictures, the first of them 400 ms earlier than the rest.
  play(400, 17_600);
  for (let i = 401; i < 650; i++) play(i, 18_000);
  for (let i = 650; i < 700; i++) play(i, 5000 + i * 20);
  assert.ok(playout.soundDue(0) - 5000 <= before + 1, `${playout.soundDue(0) - 5000} ms, before ${before} ms`);
});

test("a source that starts again at zero is shown at once", () => {
  const playout = new Playout();
  playout.arrived(900_000, 5000);
  playout.arrived(0, 5100);
  assert.equal(playout.due(0), 5100);
});

// ---- parts of a body of pictures

test("pictures are found however the body is cut", () => {
  const text = "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\n\r\n\r\nX\r\n--picture\r\nContent-Type: image/jpeg\r\ncontent-length: 3\r\n\r\nabc\r\n--picture\r\n";
  const body = new TextEncoder().encode(text);
  for (const step of [1, 2, 7, 1000]) {
    const reader = new PartReader();
    const found = [];
    for (let at = 0; at < body.length; at += step) found.push(...reader.push(body.subarray(at, at + step)));
    assert.deepEqual(found.map((part) => new TextDecoder().decode(part)), ["\r\n\r\nX", "abc"], `in steps of ${step}`);
  }
});

test("a body that is none of pictures is refused before it fills the memory", () => {
  assert.throws(() => new PartReader().push(new Uint8Array(5000)));
  assert.throws(() => new PartReader().push(new TextEncoder().encode("--picture\r\nContent-Type: image/jpeg\r\n\r\nabc")));
});

// ---- what the wall shows

/** @param {string} name @param {number | null} width @param {string | null} made_from @returns {any} */
const stream = (name, width, made_from = null) => ({
  name,
  made_from,
  fps: 30,
  tracks: width ? [{ kind: "video", width, height: (width * 9) / 16 }] : [],
});

test("a camera is shown by the smallest stream made from it, if that is smaller", () => {
  const streams = [
    stream("front", 1920),
    stream("half", 960, "front"),
    stream("small", 640, "front"),
    stream("yard", null),
    stream("yard-small", null, "yard"),
    stream("tiny", 160),
    stream("blown-up", 640, "tiny"),
  ];
  const found = previews(streams);
  assert.deepEqual([...found].map(([name, { name: by }]) => `${name} by ${by}`), ["front by small", "yard by yard-small"]);
});

test("a tile weighs by what must be decoded for it", () => {
  assert.equal(weight(stream("a", 1280)), 1);
  assert.equal(weight(stream("a", 1920)), 2.25);
  assert.equal(weight(stream("a", 320)), 0.25);
  assert.equal(weight(stream("a", null)), 1);
});

// ---- publishing

test("a unit that is published is what a viewer reads", () => {
  const data = Uint8Array.from([1, 2, 3]);
  const sent = message({ track: 2, randomAccess: true, pts: -21_333.4, captured: 1_795_224_896_007_123, data });
  const [read, ...rest] = units(sent.buffer);
  assert.deepEqual([read.track, read.randomAccess, read.disposable, read.pts, read.captured], [2, true, false, -21_333, 1_795_224_896_007_123]);
  assert.deepEqual([[...read.data], rest.length], [[1, 2, 3], 0]);
});

test("a device's times follow its soonest arrivals, whatever its clock says, and never go back", () => {
  const clock = new MediaClock();
  const times = [];
  let last = 0;
  // A clock that starts elsewhere and runs 100 ppm slow; each arrival is late by up to 15 ms.
  for (let picture = 0; picture < 3000; picture++) {
    const now = 7e9 + picture * 33_333;
    const stamp = 1e6 + picture * 33_333 * 0.9999;
    clock.arrived(stamp, now + (picture % 4) * 5000);
    last = clock.at(stamp);
    times.push(last - now);
  }
  assert.ok(times.every((error) => Math.abs(error) < 2000), `${Math.min(...times)} to ${Math.max(...times)} µs`);
  assert.ok(clock.at(0) > last, "later than the one before");
});

test("a level holds its pictures", () => {
  assert.deepEqual([level(640, 360), level(1280, 720), level(1920, 1080), level(3840, 2160)], ["1e", "1f", "28", "33"]);
});

test("a pattern of names covers those names and no others", () => {
  for (const [pattern, name] of [["*", "front"], ["front", "front"], ["guest/*", "guest/anna"], ["*/CAM_A", "OAK1/CAM_A"], ["a*b*c", "a1b2c"], ["a*a", "aa"]]) {
    assert.ok(covers(pattern, name), `${pattern} ${name}`);
  }
  for (const [pattern, name] of [["front", "front2"], ["guest/*", "guest"], ["a*a", "a"], ["a*b*c", "acb"], ["*b*b", "ab"], ["ab*ba", "aba"]]) {
    assert.ok(!covers(pattern, name), `${pattern} ${name}`);
  }
});

// ---- ways by WebRTC

const ANSWER = [
  "v=0",
  "a=candidate:1 1 udp 9 192.0.2.5 8555 typ host",
  "a=candidate:2 1 tcp 8 192.0.2.5 8555 typ host tcptype passive",
  "a=candidate:3 1 udp 7 2001:db8::5 8555 typ host",
  "a=end-of-candidates",
  "",
].join("\r\n");
const way = (/** @type {string} */ transport, address = "192.0.2.5:8555") => ({ address, transport, kind: "host" });

test("an answer is made to tell of one address alone", () => {
  const told = (/** @type {import("../players/ways.js").Candidate} */ candidate) => only(ANSWER, candidate)?.match(/candidate:\d/g);
  assert.deepEqual(told(way("udp")), ["candidate:1"]);
  assert.deepEqual(told(way("tcp")), ["candidate:2"]);
  assert.deepEqual(told(way("udp", "[2001:db8::5]:8555")), ["candidate:3"]);
  assert.equal(only(ANSWER, way("udp", "192.0.2.6:8555")), null);
});

test("what is said of all ways names what to do", () => {
  const all = [way("udp"), way("tcp")];
  const said = (/** @type {("works" | "failed")[]} */ ...states) => verdict(all, states.map((state) => ({ state })));
  assert.equal(said("works", "failed").look, "good");
  assert.match(said("failed", "works").words, /by TCP: UDP is blocked/);
  assert.match(said("failed", "works").advice, /port 8555/);
  assert.match(said("failed", "failed").words, /neither UDP nor TCP/);
  assert.match(verdict([], []).words, /is off/);
});
