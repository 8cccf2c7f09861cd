/**
 * Debian's Chromium, headless, with an empty profile; one at a time. Where it matters, its Firefox.
 *
 * A page notes what it complained of: exceptions, console errors and, of our pages, every request that went elsewhere.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { SCREENSHOTS } from "./server.js";

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

export class Browser {
  #browser;
  #profile;

  /** @param {string[]} [flags] beside the usual ones, or in their place */
  static async start(flags = []) {
    const profile = await mkdtemp(join(tmpdir(), "firstlight-chromium-"));
    const browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      headless: false, // the flag below says which kind of headless
      userDataDir: profile,
      args: [...FLAGS.filter((usual) => !flags.some((flag) => name(flag) === name(usual))), ...flags],
      defaultViewport: DESKTOP,
    });
    return new Browser(browser, profile);
  }

  /**
   * Firefox; it speaks another protocol, so a page's complaints are its exceptions and console errors alone.
   * @param {Record<string, boolean | number | string>} [preferences] beside the usual ones
   */
  static async firefox(preferences = {}) {
    const profile = await mkdtemp(join(tmpdir(), "firstlight-firefox-"));
    const browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
      headless: true,
      userDataDir: profile,
      extraPrefsFirefox: { "media.autoplay.default": 0, ...preferences },
      defaultViewport: DESKTOP,
      timeout: 60_000,
    });
    return new Browser(browser, profile);
  }

  /** @param {import("puppeteer-core").Browser} browser @param {string} profile */
  constructor(browser, profile) {
    this.#browser = browser;
    this.#profile = profile;
  }

  /** A page at `url`. @param {string} url @param {{ phone?: boolean }} [options] */
  async open(url, { phone = false } = {}) {
    const tab = await this.#browser.newPage();
    if (phone) await tab.setViewport(PHONE);
    /** @type {string[]} */
    const complaints = [];
    tab.on("pageerror", (error) => complaints.push(String(error)));
    // What failed to load is said without its address, which stands where the message comes from.
    const told = (/** @type {import("puppeteer-core").ConsoleMessage} */ message) =>
      message.text().startsWith("Failed to load") ? `${message.text()}: ${message.location().url}` : message.text();
    tab.on("console", (message) => message.type() === "error" && complaints.push(told(message)));
    tab.on("error", (error) => complaints.push(`crashed: ${error}`));
    await tab.goto(url, { waitUntil: "domcontentloaded", timeout: 15_000 });
    return Object.assign(tab, { complaints });
  }

  async stop() {
    await this.#browser.close();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** @param {import("puppeteer-core").Page} tab @param {string} name */
export async function screenshot(tab, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await tab.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** @param {number} ms */
export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * Asks until the answer is as wanted, and gives it; fails with the last answer.
 *
 * @template T @param {string} what @param {() => Promise<T>} ask @param {(answer: T) => boolean} wanted @param {number} [ms]
 * @returns {Promise<T>}
 */
export async function until(what, ask, wanted, ms = 10_000) {
  const limit = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (performance.now() > limit) throw new Error(`${what}: not within ${ms} ms; last ${JSON.stringify(answer)}`);
    await wait(100);
  }
}

/** @param {string} flag */
const name = (flag) => flag.split("=")[0];

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
  "--allow-loopback-in-peer-connection",
];
