/**
 * The publish page: this computer's or phone's camera as a stream's source.
 *
 * Choosing and showing is here; devices, encoders and the connection are in publish/.
 */
import { Address } from "./players/address.js";
import { Broadcast, obstacle } from "./publish/broadcast.js";
import { inWords, list, open, unable } from "./publish/devices.js";
import { goToLogin, hideToken } from "./ui/who.js";

/** @typedef {import("./publish/broadcast.js").BroadcastState} BroadcastState */

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const select = (/** @type {string} */ id) => /** @type {HTMLSelectElement} */ (byId(id));
const preview = /** @type {HTMLVideoElement} */ (byId("preview"));
const go = /** @type {HTMLButtonElement} */ (byId("go"));
await hideToken();
const address = new Address(location.pathname.replace(/\/publish$/, "/") + location.search, location.href);

/** @type {Record<string, import("./publish/picture.js").Quality>} */
const QUALITIES = {
  low: { width: 640, height: 360, fps: 30, bitrate: 600_000 },
  medium: { width: 1280, height: 720, fps: 30, bitrate: 2_000_000 },
  high: { width: 1920, height: 1080, fps: 30, bitrate: 4_500_000 },
};

/** @type {Record<BroadcastState, { words: string, look: string }>} */
const STATES = {
  off: { words: "Not sending", look: "off" },
  connecting: { words: "Connecting", look: "starting" },
  live: { words: "Live", look: "live" },
  reconnecting: { words: "Reconnecting", look: "reconnecting" },
  failed: { words: "Not sending", look: "off" },
};

/** @type {MediaStream | null} */
let stream = null;
/** @type {Broadcast | null} */
let broadcast = null;
/** @type {{ release: () => Promise<void> } | null} */
let awake = null;

byId("name").textContent = address.name;
document.title = `Publish ${address.name} · firstlight`;
/** @type {HTMLAnchorElement} */ (byId("watch")).href = address.page;
select("quality").value = "medium";

/** @param {string} words */
function trouble(words) {
  byId("trouble").textContent = words;
  byId("trouble").hidden = words === "";
}

// ---- devices

/** Opens what is chosen and shows it. */
async function look() {
  const quality = QUALITIES[select("quality").value];
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  trouble("");
  go.disabled = true;
  let refused = "";
  try {
    const [camera, microphone] = [select("camera").value, select("microphone").value];
    stream = await open({ ...quality, camera, microphone });
  } catch (error) {
    refused = inWords(error, await list().catch(() => null));
  }
  await offer();
  preview.srcObject = stream;
  preview.play().catch(() => {});
  const camera = stream?.getVideoTracks()[0];
  preview.hidden = !camera;
  byId("note").textContent = camera ? "" : stream ? "Sound only" : "No picture";
  preview.classList.toggle("mirrored", camera?.getSettings().facingMode === "user");
  for (const track of stream?.getTracks() ?? []) {
    track.onended = () => {
      broadcast?.stop();
      trouble(track.kind === "video" ? "The camera went away. Connect it again, or choose another." : "The microphone went away. Connect it again, or choose another.");
    };
  }
  trouble(refused);
  go.disabled = false;
  show("off");
}

/** Fills the lists with what there is now, keeping what is chosen. */
async function offer() {
  const { cameras, microphones } = await list();
  fill(select("camera"), cameras, "Camera", "No camera", stream?.getVideoTracks()[0]);
  fill(select("microphone"), microphones, "Microphone", "No microphone", stream?.getAudioTracks()[0]);
}

/** @param {HTMLSelectElement} field @param {MediaDeviceInfo[]} devices @param {string} kind @param {string} none @param {MediaStreamTrack} [track] */
function fill(field, devices, kind, none, track) {
  const chosen = field.value === "none" ? "none" : (track?.getSettings().deviceId ?? field.value);
  const named = devices.filter((device) => device.deviceId);
  const options = named.map((device, at) => new Option(device.label || `${kind} ${at + 1}`, device.deviceId));
  if (!named.length) options.push(new Option(devices.length ? `Any ${kind.toLowerCase()}` : `${kind}: none found`, ""));
  field.replaceChildren(...options, new Option(none, "none"));
  field.value = chosen;
  if (field.selectedIndex < 0) field.selectedIndex = 0;
}

for (const id of ["camera", "microphone", "quality"]) select(id).onchange = look;
navigator.mediaDevices?.addEventListener("devicechange", () => broadcast || offer());

// ---- sending

/** @param {BroadcastState} state */
function show(state) {
  const sending = state === "connecting" || state === "live" || state === "reconnecting";
  byId("state").textContent = STATES[state].words;
  byId("state").dataset.state = STATES[state].look;
  go.textContent = sending ? "Stop" : stream ? "Start" : "Try again";
  go.classList.toggle("primary", !sending);
  byId("facts").hidden = !sending;
  for (const id of ["camera", "microphone", "quality"]) select(id).disabled = sending;
  document.title = `${state === "live" ? "● " : ""}Publish ${address.name} · firstlight`;
}

function start() {
  if (!stream) return;
  trouble("");
  broadcast = new Broadcast(address, stream, QUALITIES[select("quality").value], {
    state: (state, words) => {
      if (state === "off" || state === "failed") broadcast = null;
      show(state);
      trouble(words);
      stayAwake(broadcast !== null);
    },
    sent: ({ bitrate, fps, width, height, left, viewers, rtt }) => {
      byId("size").textContent = width ? `${width} × ${height}${fps === null ? "" : `, ${fps} a second`}` : "–";
      byId("bitrate").textContent = `${(bitrate / 1e6).toFixed(2)} Mbit/s`;
      byId("left").textContent = `${left} a second`;
      byId("viewers").textContent = viewers === null ? "–" : String(viewers);
      byId("rtt").textContent = rtt === null ? "–" : `${rtt.toFixed(rtt < 10 ? 1 : 0)} ms`;
    },
  });
  stayAwake(true);
}

/** A phone that sends does not go to sleep. @param {boolean} wanted */
async function stayAwake(wanted) {
  if (wanted && !document.hidden) awake = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? awake;
  if (!wanted) await awake?.release().catch(() => {});
}

go.onclick = () => (broadcast ? broadcast.stop() : stream ? start() : begin());
addEventListener("online", () => broadcast?.retryNow());
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !broadcast) return;
  broadcast.retryNow();
  stayAwake(true);
});
addEventListener("pagehide", () => broadcast?.stop());

// ---- the beginning

async function begin() {
  const unfit = unable();
  const found = await obstacle(address);
  if (found.login && window.top === window) return goToLogin();
  byId("watch").hidden = found.unseen;
  const words = unfit ?? found.words;
  byId("choices").hidden = words !== null;
  if (words === null) return look();
  // Nobody is asked for their camera in vain.
  byId("note").textContent = "No picture";
  preview.hidden = true;
  show("off");
  go.hidden = unfit !== null;
  trouble(words);
}
begin();
