/**
 * A live picture in a page of one's own, as `docs/guide/embed.md` tells it: each piece of HTML there, taken from the guide, in a page of
 * another server.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Browser, until } from "./harness/browser.js";
import { Server } from "./harness/server.js";
import { Site } from "./harness/site.js";

const GUIDE = join(import.meta.dirname, "../../docs/guide/embed.md");
/** Where the guide's server is. */
const EXAMPLE = "http://camera.local:8080/";

/** @type {Server} */ let server;
/** @type {Site} */ let site;
/** @type {Browser} */ let browser;
/** @type {string[]} */ let pieces;

before(async () => {
  const guide = await readFile(GUIDE, "utf8");
  pieces = [...guide.matchAll(/```html\n([^]*?)```/g)].map(([, html]) => html);
  site = await Site.start();
  server = await Server.start(`
    [http]
    allow_origins = ["${site.origin}"]
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30 } }
    [streams.yard]
    source = { test = { width = 320, height = 240, fps = 30 } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
  await site?.stop();
});

/** A page of the other server with this in it. @param {string} html */
async function open(html) {
  site.write("/page", `<!doctype html><html lang="en"><title>mine</title><body>${html.replaceAll(EXAMPLE, server.url)}</body></html>`);
  return browser.open(`${site.origin}/page`);
}

/** In a page: the states of its players. */
const states = () => [...document.querySelectorAll("firstlight-player")].map((player) => /** @type {any} */ (player).state);

test("each player of the guide plays", async () => {
  const script = pieces[0].split("\n")[0];
  assert.match(script, /^<script type="module" src=/);
  const players = pieces.filter((html) => html.includes("<firstlight-player"));
  assert.ok(players.length >= 3, `${players.length}`);
  for (const html of players) {
    const tab = await open(html.includes(script) ? html : script + html);
    await until(`live: ${html}`, () => tab.evaluate(states), (now) => now.length > 0 && now.every((state) => state === "live"));
    assert.deepEqual(tab.complaints, []);
    await tab.close();
  }
});

test("the framed page of the guide plays", async () => {
  const [html] = pieces.filter((html) => html.includes("<iframe"));
  const tab = await open(html);
  const framed = async () => (await tab.frames()[1]?.evaluate(states)) ?? [];
  await until("live in a frame", framed, (now) => now[0] === "live");
  await tab.close();
});

test("each bare picture of the guide is shown, and the moving one moves", async () => {
  const pictures = pieces.filter((html) => html.includes("<img"));
  assert.ok(pictures.length >= 2, `${pictures.length}`);
  for (const html of pictures) {
    const tab = await open(html);
    const width = () => tab.evaluate(() => document.querySelector("img")?.naturalWidth ?? 0);
    await until(`shown: ${html}`, width, (width) => width > 0);
    if (html.includes("/mjpeg")) {
      const image = await tab.$("img");
      const seen = new Set();
      await until("it moves", async () => seen.add(await image?.screenshot({ encoding: "base64" })).size, (count) => count >= 3);
    }
    await tab.close();
  }
});

test("where users are configured, a token in the address opens each of them to a page of another site", async () => {
  // By another name it is another site: a browser then keeps cookies to itself.
  const elsewhere = site.origin.replace("127.0.0.1", "localhost");
  const guarded = await Server.start(`
    [http]
    allow_origins = ["${elsewhere}"]
    [tokens.page]
    token = "0123456789-of-this-page"
    rights = { view = ["front"] }
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30 } }
  `);
  const front = (/** @type {string} */ below) => `${guarded.url}front${below}?token=0123456789-of-this-page`;
  site.write(
    "/guarded",
    `<!doctype html><html lang="en"><title>mine</title><body>
      <script type="module" src="${guarded.url}firstlight-player.js"></script>
      <firstlight-player src="${front("")}" muted></firstlight-player>
      <iframe src="${front("/")}" allow="autoplay" width="640" height="360"></iframe>
      <img src="${front("/snapshot.jpg")}" alt="now"></body></html>`,
  );
  const tab = await browser.open(`${elsewhere}/guarded`);
  await until("the element plays", () => tab.evaluate(states), (now) => now[0] === "live");
  const framed = async () => (await tab.frames()[1]?.evaluate(states)) ?? [];
  await until("the framed page plays", framed, (now) => now[0] === "live");
  await until("the picture is shown", () => tab.evaluate(() => document.querySelector("img")?.naturalWidth), (width) => width === 640);
  await tab.close();
  await guarded.stop();
});
