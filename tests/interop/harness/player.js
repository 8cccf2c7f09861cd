/** Our own player in a page: what it says of itself, and what its picture says. */
import { until, wait } from "./browser.js";

/**
 * How the first player of a page is doing; `age` is how old the picture is by the clock in it, in milliseconds.
 *
 * @param {import("puppeteer-core").Page} tab
 */
export function look(tab) {
  return tab.evaluate(async () => {
    const page = /** @type {any} */ (window);
    const player = /** @type {any} */ (document.querySelector("firstlight-player"));
    const surface = player.shadowRoot?.querySelector(".shown") ?? null;
    const { readClock } = await import(new URL("/assets/clock-code.js", player.src ? new URL(player.src, location.href) : location.href).href);
    const size = surface instanceof HTMLVideoElement ? [surface.videoWidth, surface.videoHeight] : [surface?.width, surface?.height];
    const painted = surface && readClock(surface, ...size);
    return {
      state: player.state,
      reason: player.reason,
      transport: player.stats?.transport ?? null,
      stats: player.stats,
      tracks: player.tracks.map((/** @type {any} */ track) => track.kind).sort(),
      heard: surface instanceof HTMLVideoElement ? /** @type {any} */ (surface).webkitAudioDecodedByteCount : null,
      hidden: document.hidden,
      painted,
      age: painted === null ? null : Date.now() - painted,
      states: page.states ?? [],
      troubles: page.troubles ?? [],
    };
  });
}

/** Notes from now on what the player tells. @param {import("puppeteer-core").Page} tab @param {string | null} transport */
export function listen(tab, transport) {
  return tab.evaluate((transport) => {
    const page = /** @type {any} */ (window);
    const player = /** @type {any} */ (document.querySelector("firstlight-player"));
    [page.states, page.troubles] = [[], []];
    player.addEventListener("state", (/** @type {any} */ { detail }) => page.states.push([detail.state, detail.reason]));
    player.addEventListener("error", (/** @type {any} */ { detail }) => page.troubles.push(detail.message));
    if (transport) player.transport = transport;
  }, transport);
}

/** Waits until it plays by `transport`. @param {import("puppeteer-core").Page} tab @param {string | null} transport @param {number} [ms] */
export function live(tab, transport, ms = 10_000) {
  const wanted = (/** @type {any} */ now) =>
    now.state === "live" && now.painted !== null && now.age < 1000 && (!transport || now.transport === transport);
  return until(`live by ${transport}`, () => look(tab), wanted, ms);
}

/** The ages of the picture at ten moments a tenth of a second apart. @param {import("puppeteer-core").Page} tab */
export async function ages(tab) {
  /** @type {number[]} */
  const ages = [];
  for (let moment = 0; moment < 10; moment++) {
    const { age } = await look(tab);
    if (age !== null) ages.push(age);
    await wait(100);
  }
  return ages;
}
