/**
 * The wall: every stream of the server as a tile, kept true by asking the API every two seconds.
 *
 * At most sixteen tiles are live, and no more than a browser decodes with ease; those on screen first, those pointed at before others. The others
 * show a still. A hidden page asks nothing.
 */
import "./firstlight-player.js";
import { cameraDialogs } from "./ui/camera-dialogs.js";
import { previews, weight } from "./ui/preview.js";
import { Tile } from "./ui/tile.js";
import { goToLogin, hideToken, showWho } from "./ui/who.js";

await hideToken();

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const grid = byId("grid");
const filter = /** @type {HTMLInputElement} */ (byId("filter"));
/** @type {Map<string, Tile>} */
const tiles = new Map();
/** @type {StreamInfo[] | null} */
let streams = null;
let timer = 0;
let keepsStreams = true;
/** @type {boolean | null} */
let mayAdd = null;
const dialogs = cameraDialogs(() => (streams ?? []).map((stream) => stream.name), look);

const screen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const tile = [...tiles.values()].find((t) => t.element === entry.target);
      if (tile) tile.onScreen = entry.isIntersecting;
    }
    place();
  },
  { rootMargin: "80px" },
);

/** Asks the server, then again in two seconds. */
async function look() {
  clearTimeout(timer);
  const [found, server, who] = await Promise.all([ask("streams"), ask("server"), ask("session")]);
  if (Array.isArray(found)) {
    streams = found;
    show(found);
  }
  away(!Array.isArray(found));
  if (server && who) about(server, who);
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, found ? 2000 : 1000);
}

/** @param {string} path */
async function ask(path) {
  try {
    const response = await fetch("/api/v1/" + path + location.search, { signal: AbortSignal.timeout(5000) });
    if (response.status === 401) goToLogin();
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** @param {StreamInfo[]} all */
function show(all) {
  const small = previews(all);
  const folded = new Set([...small.values()].map((stream) => stream.name));
  const found = all.filter((stream) => !folded.has(stream.name));
  for (const [name, tile] of tiles) {
    if (found.some((stream) => stream.name === name)) continue;
    screen.unobserve(tile.element);
    tile.element.remove();
    tiles.delete(name);
  }
  found.forEach((stream, index) => {
    let tile = tiles.get(stream.name);
    if (!tile) {
      tile = new Tile(stream.name, small.get(stream.name)?.name ?? stream.name, place, dialogs.change);
      tiles.set(stream.name, tile);
      grid.insertBefore(tile.element, grid.children[index] ?? null);
      screen.observe(tile.element);
    }
    const shown = small.get(stream.name) ?? stream;
    // One that loses its place stops, and would look lighter for that.
    if (tile.weight === 0 || shown.state === "live") tile.weight = weight(shown);
    tile.update(stream);
  });
  place();
  showEmptiness();
  filter.hidden = found.length <= FILTER_FROM && filter.value === "";
  sift();
}

/** Says why there is nothing to see: whoever may add a camera is told how, and nobody else. */
function showEmptiness() {
  const empty = streams !== null && streams.length === 0;
  byId("empty").hidden = !empty || mayAdd !== true;
  byId("not-for-you").hidden = !empty || mayAdd !== false;
}

function sift() {
  const words = filter.value.trim().toLowerCase();
  let shown = 0;
  for (const tile of tiles.values()) {
    tile.element.hidden = !tile.name.toLowerCase().includes(words);
    shown += tile.element.hidden ? 0 : 1;
  }
  grid.dataset.count = String(shown);
  byId("none").hidden = shown > 0 || tiles.size === 0;
}

/** Gives the places for live pictures. */
function place() {
  const asking = [...tiles.values()].filter((tile) => tile.onScreen).sort((a, b) => b.wanted - a.wanted);
  const live = new Set();
  let left = WEIGHT_MOST;
  for (const tile of asking.slice(0, LIVE_MOST)) {
    if (tile.weight > left && live.size > 0) continue;
    live.add(tile);
    left -= tile.weight;
  }
  for (const tile of tiles.values()) tile.setLive(live.has(tile));
}

/** @param {boolean} gone */
function away(gone) {
  byId("origin").textContent = location.origin;
  grid.classList.toggle("stale", gone);
  byId("facts").hidden = gone;
  byId("unreachable").hidden = !gone || streams !== null;
  byId("away").hidden = !gone || streams === null;
  if (byId("away").textContent === "") byId("away").textContent = "The server does not answer. Trying again every second.";
}

/**
 * @param {{ name: string, version: string, uptime_s: number, keeps_streams: boolean }} server
 * @param {{ may_add: boolean }} who
 */
function about({ name, version, uptime_s, keeps_streams }, { may_add }) {
  mayAdd = may_add;
  showEmptiness();
  keepsStreams = keeps_streams;
  byId("add").hidden = byId("empty-add").hidden = !may_add;
  const all = streams ?? [];
  const live = all.filter((stream) => stream.state === "live").length;
  const cameras = all.length === 1 ? "1 camera" : `${all.length} cameras`;
  byId("server").title = `${name} ${version}, running for ${duration(uptime_s)}`;
  byId("facts").textContent = all.length ? `${cameras}, ${live} live` : "";
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

const LIVE_MOST = 16;
/** In pictures of 720p30. */
const WEIGHT_MOST = 8;
const FILTER_FROM = 8;

for (const id of ["add", "empty-add"]) byId(id).addEventListener("click", () => dialogs.add(keepsStreams));
filter.addEventListener("input", sift);
showWho(byId("who"));
addEventListener("focus", look);
addEventListener("online", look);
document.addEventListener("visibilitychange", () => !document.hidden && look());
look();
