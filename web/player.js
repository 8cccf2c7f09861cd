/**
 * The player page: one stream over the whole window, with panels for figures, links and keys.
 *
 * Everything about playing is the element's; this file fills panels from its events.
 */
import { Address } from "./players/address.js";
import { codecName } from "./players/codec-name.js";
import { askServer } from "./players/server-info.js";
import "./firstlight-player.js";
import { command } from "./ui/controls.js";
import { Graph } from "./ui/graph.js";
import { icon } from "./ui/icons.js";
import { linkRow } from "./ui/link-row.js";
import { Pad } from "./ui/pad.js";
import { Talk } from "./ui/talk.js";
import { goToLogin, hideToken } from "./ui/who.js";

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const player = /** @type {import("./firstlight-player.js").FirstlightPlayer} */ (byId("player"));
await hideToken();
const address = new Address(location.pathname + location.search, location.href);
const graphs = {
  latency: new Graph(/** @type {HTMLCanvasElement} */ (byId("latency")), 100),
  fps: new Graph(/** @type {HTMLCanvasElement} */ (byId("fps")), 10),
};

byId("name").textContent = address.name;
document.title = `${address.name} · firstlight`;
player.volume = Number(remembered("volume") ?? 1);
player.muted = remembered("sound") === "off";
player.transport = /** @type {any} */ (remembered("transport") ?? "auto");
player.src = address.page;

player.addEventListener("volumechange", () => {
  remember("volume", String(player.volume));
  remember("sound", player.muted ? "off" : "on");
});
player.addEventListener("error", (event) => {
  byId("trouble").textContent = /** @type {any} */ (event).detail.message;
});
player.addEventListener("state", () => {
  document.title = `${player.state === "live" ? "" : "… "}${address.name} · firstlight`;
});

player.addEventListener("state", () => (byId("cameras").hidden = player.state !== "missing"));

// A stream that waits may be published to from here, by those who may.
player.addEventListener("state", async () => {
  const waits = () => player.state === "waiting";
  const link = /** @type {HTMLAnchorElement} */ (byId("publish"));
  link.href = address.below("publish").href;
  link.hidden = true;
  if (!waits()) return;
  const { stream } = await askServer(address);
  link.hidden = !waits() || !stream?.rights?.includes("publish");
});

// ---- driving

/** @type {Pad | null} there while its panel is open */
let pad = null;
const drive = /** @type {HTMLElement} */ (document.querySelector("[data-panel=drive]"));
player.addEventListener("state", async () => {
  const { stream } = await askServer(address);
  drive.hidden = !(stream?.drivable && stream.rights?.includes("control"));
});
player.addEventListener("message", (event) => {
  byId("answer").textContent = JSON.stringify(/** @type {CustomEvent} */ (event).detail);
});

/** Driving ends with the panel: a key that is pressed then is a key of the player's again. @param {boolean} wanted */
function driving(wanted) {
  if (wanted === (pad !== null)) return;
  pad?.close();
  pad = wanted ? new Pad((message) => player.say(message)) : null;
  byId("pad").replaceChildren(...(pad ? [pad.element] : []));
  player.toggleAttribute("data", wanted);
}

// ---- talking

const talkButton = /** @type {HTMLButtonElement} */ (byId("talk"));
const there = new Address(address.below("talk").href, location.href);
const talk = new Talk(there, (state, words) => {
  talkButton.ariaPressed = String(state === "talking");
  byId("talking").textContent = words;
  byId("talking").dataset.state = state;
});
talkButton.append(icon("talk"));
talkButton.ariaLabel = talkButton.title;
player.addEventListener("state", async () => {
  const { stream } = await askServer(there);
  talkButton.hidden = !(stream && stream.source === null && stream.rights?.includes("publish"));
});
talkButton.addEventListener("pointerdown", (event) => {
  talkButton.setPointerCapture(event.pointerId);
  talk.press();
});
for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) talkButton.addEventListener(end, () => talk.release());
// A long touch is no wish for a menu.
talkButton.addEventListener("contextmenu", (event) => event.preventDefault());
talkButton.addEventListener("keydown", (event) => {
  if (event.key !== " " && event.key !== "Enter") return;
  event.preventDefault();
  talk.press();
});
addEventListener("keyup", (event) => (event.key === " " || event.key === "Enter" || event.key === "t") && talk.release());
// What is let go elsewhere is never heard of.
addEventListener("blur", () => talk.release());
addEventListener("pagehide", () => talk.close());

// ---- figures

let last = performance.now();
player.addEventListener("stats", () => {
  last = performance.now();
  if (player.stats) show(player.stats);
});
setInterval(() => {
  if (performance.now() - last < 1500) return;
  graphs.latency.push(null);
  graphs.fps.push(null);
}, 1000);

/** @param {Stats} stats */
function show(stats) {
  const latency = stats.latency ?? stats.buffered;
  graphs.latency.push(latency);
  graphs.fps.push(stats.width ? stats.fps : null);
  byId("latency-title").textContent = stats.latency === null ? "Buffered" : "Latency, camera to screen";
  byId("latency-now").textContent = ms(latency);
  byId("fps-now").textContent = stats.width ? String(stats.fps) : "–";
  facts({
    Measured: stats.latencyFrom === "picture" ? "in the picture" : stats.latencyFrom === "capture" ? "by capture time" : "not by this stream",
    Size: stats.width ? `${stats.width} × ${stats.height}` : null,
    Video: stats.videoCodec && codecName(stats.videoCodec),
    Sound: stats.audioCodec && codecName(stats.audioCodec),
    "Sound to picture": stats.sync === null ? null : `${stats.sync > 0 ? "+" : "−"}${Math.abs(Math.round(stats.sync))} ms`,
    Playing: { webrtc: "WebRTC", webcodecs: "WebCodecs", mse: "Media Source", mjpeg: "MJPEG" }[stats.transport],
    Bitrate: `${(stats.bitrate / 1e6).toFixed(2)} Mbit/s`,
    Dropped: `${stats.dropped} a second`,
    Buffer: ms(stats.buffered),
    "Server is behind": stats.lag === null ? null : ms(stats.lag),
    "Round trip": stats.rtt === null ? null : ms(stats.rtt),
  });
}

/** @param {number | null} value */
function ms(value) {
  return value === null ? "–" : `${Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** @param {Record<string, string | null>} values */
function facts(values) {
  const rows = Object.entries(values).filter(([, value]) => value !== null);
  byId("facts").replaceChildren(
    ...rows.flatMap(([name, value]) => {
      const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
      [term.textContent, detail.textContent] = [name, value];
      return [term, detail];
    }),
  );
}

// Whoever is logged out, or in a frame of another page, is not led away from the picture they have.
player.addEventListener("state", (event) => {
  const { state } = /** @type {CustomEvent<{ state: PlayerState }>} */ (event).detail;
  if (state === "denied" && window.top === window && !new URLSearchParams(location.search).has("sig")) goToLogin();
});

const transport = /** @type {HTMLSelectElement} */ (byId("transport"));
transport.value = player.transport;
transport.onchange = () => {
  byId("trouble").textContent = "";
  player.transport = /** @type {any} */ (transport.value);
  remember("transport", transport.value);
};
const fit = /** @type {HTMLSelectElement} */ (byId("fit"));
fit.onchange = () => player.setAttribute("fit", fit.value);

// ---- links

/** @type {HTMLAnchorElement} */ (byId("check")).href = address.below("check").href;

const embed = `<script type="module" src="${location.origin}/firstlight-player.js"></script>
<firstlight-player src="${address.page}" controls muted></firstlight-player>`;
const own = document.createElement("div");
own.style.display = "contents";
byId("links").append(
  linkRow("This page", address.page),
  linkRow("Embed in a page of your own", embed.replace("\n", " ")),
  linkRow("HLS (Safari, VLC, phones)", address.below("index.m3u8").href),
  own,
  linkRow("A picture (JPEG)", address.below("snapshot.jpg").href),
  linkRow("Moving pictures for <img> (MJPEG)", address.below("mjpeg").href),
  linkRow("WebSocket, fMP4 (Media Source)", address.socket("fmp4")),
  linkRow("WebSocket, WebCodecs", address.socket("webcodecs")),
  linkRow("WebSocket, H.264 byte stream (jmuxer)", address.socket("annexb")),
  linkRow("WebSocket, MPEG-TS (mpegts.js, ffmpeg)", address.socket("mpegts")),
);
ask("server").then((server) => {
  const here = /^(localhost|127\..*|\[::1\])$/.test(location.hostname);
  const shown = new Set();
  for (const { scheme, port, local } of server?.listens ?? []) {
    if ((local && !here) || shown.has(scheme)) continue;
    shown.add(scheme);
    own.append(linkRow(scheme.startsWith("rtsp") ? `${scheme.toUpperCase()} (players, recorders)` : scheme.toUpperCase(), address.by(scheme, port)));
  }
});
// Whoever is known by a cookie copies an address that knows nobody.
ask("session").then((session) => (byId("anonymous").hidden = !session || session.open || location.search.length > 1));

/** What the API says, or null. @param {string} path @returns {Promise<any>} */
async function ask(path) {
  return fetch(address.api(path)).then((answer) => (answer.ok ? answer.json() : null), () => null);
}

// ---- panels and keys

const tools = [...document.querySelectorAll(".tool[data-panel]")].map((tool) => /** @type {HTMLElement} */ (tool));
for (const tool of tools) {
  const name = /** @type {"drive" | "figures" | "share" | "keys"} */ (tool.dataset.panel);
  tool.append(icon(name === "drive" ? "pad" : name));
  tool.ariaLabel = tool.title;
  tool.onclick = () => open(name);
  byId(name).querySelector(".close")?.addEventListener("click", () => {
    open(name);
    tool.focus();
  });
}

/** Opens a panel, or closes it if it is open. @param {string} name */
function open(name) {
  for (const tool of tools) {
    const panel = byId(tool.dataset.panel ?? "");
    panel.hidden = panel.id !== name || !panel.hidden;
    tool.ariaExpanded = String(!panel.hidden);
  }
  driving(!byId("drive").hidden);
  graphs.latency.draw();
  graphs.fps.draw();
}

addEventListener("keydown", (event) => {
  const typing = event.target instanceof Element && event.target.closest("input, select, textarea, button, a");
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    const shown = tools.find((tool) => tool.ariaExpanded === "true");
    if (shown) open(shown.dataset.panel ?? "");
  } else if (event.key === "d" && !pad && !drive.hidden && !typing) open("drive");
  else if (event.key === "t" && !talkButton.hidden && !typing) talk.press();
  else if (event.key === "i" && !(event.target instanceof HTMLInputElement)) open("figures");
  else if (event.key === "?") open("keys");
  else if (!typing && command(player, event.key)) event.preventDefault();
});

/** @param {string} key */
function remembered(key) {
  try {
    return localStorage.getItem("firstlight " + key);
  } catch {
    return null; // storage forbidden: nothing is remembered
  }
}

/** @param {string} key @param {string} value */
function remember(key, value) {
  try {
    localStorage.setItem("firstlight " + key, value);
  } catch {
    // storage forbidden
  }
}
