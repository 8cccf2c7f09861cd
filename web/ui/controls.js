/**
 * The bar over the picture and its keys. It only calls the element's public methods, as a page could.
 *
 * It hides three seconds after the last movement, never while something in it has the focus, and comes back with any
 * key, touch or movement.
 */
import { icon } from "./icons.js";

/** @typedef {import("../firstlight-player.js").FirstlightPlayer} Player */

/** @param {Player} player @returns {{ bar: HTMLElement, update: () => void, close: () => void }} */
export function controls(player) {
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.setAttribute("part", "controls");
  const silent = () => player.muted || player.soundBlocked;
  const play = button("Pause (space)", "pause", () => (player.paused ? player.play() : player.pause()));
  const live = button("Jump to live (l)", null, () => (player.paused ? player.play() : player.jumpToLive()));
  live.className = "live";
  const mute = button("Sound (m)", "silent", () => (player.muted = !silent()));
  mute.dataset.sound = "";
  const volume = document.createElement("input");
  Object.assign(volume, { type: "range", min: "0", max: "1", step: "0.01", ariaLabel: "Volume" });
  volume.oninput = () => {
    player.volume = Number(volume.value);
    player.muted = player.volume === 0;
  };
  const space = document.createElement("span");
  space.className = "space";
  const extra = document.createElement("slot");
  extra.name = "controls";
  const still = button("Save a picture (s)", "camera", () => save(player));
  still.classList.add("wide");
  const pip = button("Picture in picture", "pip", () => player.requestPictureInPicture().catch(() => {}));
  pip.classList.add("wide");
  pip.hidden = !document.pictureInPictureEnabled;
  const full = button("Full screen (f)", "full", () => toggleFull(player));
  bar.append(play, live, mute, volume, space, extra, still, pip, full);

  const update = () => {
    face(play, player.paused ? "play" : "pause", player.paused ? "Play (space)" : "Pause (space)");
    face(mute, silent() ? "silent" : "sound", silent() ? "Turn the sound on (m)" : "Turn the sound off (m)");
    mute.hidden = volume.hidden = !player.mayHaveSound;
    volume.value = silent() ? "0" : String(player.volume);
    live.dataset.state = player.state;
    live.textContent = WORDS[player.state];
  };
  const stop = quiet(player, bar);
  const twice = (/** @type {Event} */ event) => !event.composedPath().includes(bar) && toggleFull(player);
  player.addEventListener("dblclick", twice);
  update();
  const close = () => {
    stop();
    player.removeEventListener("dblclick", twice);
  };
  return { bar, update, close };
}

/** What a key does to a player; true if it did something. @param {Player} player @param {string} key */
export function command(player, key) {
  if (key === " ") player.paused ? player.play() : player.pause();
  else if (key === "m") player.muted = !(player.muted || player.soundBlocked);
  else if (key === "f") toggleFull(player);
  else if (key === "s") save(player);
  else if (key === "l") player.paused ? player.play() : player.jumpToLive();
  else return false;
  return true;
}

/** @param {string} label @param {Parameters<typeof icon>[0] | null} name @param {() => void} press */
export function button(label, name, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.ariaLabel = made.title = label;
  if (name) made.append(icon(name));
  made.onclick = press;
  return made;
}

/** @param {HTMLElement} element @param {Parameters<typeof icon>[0]} name @param {string} label */
function face(element, name, label) {
  if (element.dataset.icon !== name) element.replaceChildren(icon(name));
  element.dataset.icon = name;
  element.ariaLabel = element.title = label;
}

/** @param {Player} player */
async function toggleFull(player) {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await player.requestFullscreen().catch(() => {});
}

/** @param {Player} player */
async function save(player) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await player.snapshot());
  link.download = `${player.name.replaceAll("/", "-")} ${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Hides the bar over a live picture when nothing moves. @param {Player} host @param {HTMLElement} bar */
function quiet(host, bar) {
  let timer = 0;
  const wake = () => {
    delete host.dataset.quiet;
    clearTimeout(timer);
    timer = setTimeout(() => {
      const focused = bar.querySelector(":focus-visible") ?? host.querySelector(":focus-visible, [aria-expanded=true]");
      if (focused || bar.matches(":hover") || host.state !== "live") wake();
      else host.dataset.quiet = "";
    }, 3000);
  };
  const events = ["pointermove", "pointerdown", "keydown", "focusin"];
  for (const name of events) host.addEventListener(name, wake, { passive: true });
  wake();
  return () => {
    clearTimeout(timer);
    delete host.dataset.quiet;
    for (const name of events) host.removeEventListener(name, wake);
  };
}

/** @type {Record<PlayerState, string>} */
const WORDS = {
  paused: "Paused",
  starting: "Starting",
  waiting: "Waiting",
  live: "Live",
  reconnecting: "Reconnecting",
  busy: "Busy",
  off: "Off",
  missing: "No such stream",
  denied: "Not logged in",
  foreign: "Not allowed",
  unsupported: "Cannot play",
};
