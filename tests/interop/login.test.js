/**
 * The login page at the size of a desk and of a phone: what it says when something is wrong, and where it leads; and a token in an address,
 * which opens the page and is gone from the address bar. Pictures go to target/screenshots.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { Browser, screenshot, until } from "./harness/browser.js";
import { live } from "./harness/player.js";
import { PROGRAM, Server } from "./harness/server.js";

const TOKEN = "token-of-the-wall-5f2a";
/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  const hash = execFileSync(PROGRAM, ["hash-password"], { input: "open sesame\n" }).toString().trim();
  server = await Server.start(`
    [users.anna]
    password = "${hash}"
    rights = { view = ["front"] }
    [tokens.wall]
    token = "${TOKEN}"
    rights = { view = ["*"] }
    [streams.front]
    source = { test = { width = 640, height = 360, fps = 30 } }
    [streams.yard]
    source = { test = { width = 640, height = 360, fps = 30 } }
  `);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** @typedef {import("puppeteer-core").Page} Page */

const path = (/** @type {Page} */ tab) => Promise.resolve(new URL(tab.url()).pathname + new URL(tab.url()).search);
const text = (/** @type {Page} */ tab, /** @type {string} */ id) =>
  tab.evaluate((id) => (document.getElementById(id)?.hidden ? "" : (document.getElementById(id)?.textContent ?? "")), id);

/** @param {Page} tab @param {Record<string, string>} fields */
async function send(tab, fields) {
  for (const [id, value] of Object.entries(fields)) {
    await tab.evaluate((id) => (/** @type {HTMLInputElement} */ (document.getElementById(id)).value = ""), id);
    await tab.type(`#${id}`, value);
  }
  await tab.keyboard.press("Enter");
}

/** @param {Page} tab */
async function fits(tab) {
  assert.ok(await tab.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), "sticks out");
}

for (const phone of [false, true]) {
  const size = phone ? "phone" : "desktop";

  test(`from a camera's page to the login, in, back to the camera, and out, ${size}`, async () => {
    const tab = await browser.open(`${server.url}front/`, { phone });
    assert.equal(await path(tab), "/login?next=/front/");
    await until("the keyboard is at the name", () => tab.evaluate(() => document.activeElement?.id), (id) => id === "user");
    await screenshot(tab, `login-${size}`);
    await send(tab, { user: "anna", password: "wrong" });
    await until("it says so", () => text(tab, "trouble"), (words) => words === "Name or password is wrong.");
    await screenshot(tab, `login-wrong-${size}`);
    await fits(tab);
    await send(tab, { password: "open sesame" });
    await until("the camera", () => path(tab), (now) => now === "/front/");
    await tab.waitForFunction(() => customElements.get("firstlight-player"));
    await live(tab, null);

    await tab.goto(server.url);
    await until("the name", () => text(tab, "who"), (words) => words === "annaLog out");
    const tiles = () => tab.evaluate(() => [...document.querySelectorAll(".tile h2")].map((name) => name.textContent));
    assert.deepEqual(await until("tiles", tiles, (names) => names.length > 0), ["front"]);
    await screenshot(tab, `wall-logged-in-${size}`);
    await fits(tab);
    await tab.goto(`${server.url}yard/`);
    assert.equal(await path(tab), "/login?next=/yard/&because=denied");
    await until("why", () => text(tab, "trouble"), (words) => words.startsWith("You are logged in as anna, who may not see this page."));
    await screenshot(tab, `login-denied-${size}`);
    await tab.goto(server.url);
    await until("the name", () => text(tab, "who"), (words) => words === "annaLog out");
    await tab.click("#who button");
    await until("out", () => path(tab), (now) => now === "/login");
    await tab.close();
  });
}

test("a token in the address opens the page and leaves the address bar", async () => {
  const tab = await browser.open(`${server.url}front/?token=${TOKEN}`);
  await live(tab, null);
  assert.equal(await path(tab), "/front/");
  // The session goes on without it, and a page that has lost it leads to the login.
  await tab.reload();
  await live(tab, null);
  await tab.goto(server.url);
  await until("tiles", () => tab.evaluate(() => document.querySelectorAll(".tile").length), (count) => count === 2);
  await tab.evaluate(() => fetch("/logout", { method: "POST" }));
  await until("the wall notices", () => path(tab), (now) => now === "/login?next=%2F", 8000);
  await tab.close();
});

test("a link with a token puts nobody who is logged in into another's session", async () => {
  const tab = await browser.open(`${server.url}login`);
  await send(tab, { user: "anna", password: "open sesame" });
  await until("the wall", () => path(tab), (now) => now === "/");
  await tab.goto(`${server.url}yard/?token=${TOKEN}`);
  await live(tab, null);
  assert.equal(await path(tab), `/yard/?token=${TOKEN}`, "it counts for this page, and stays in its address");
  await tab.goto(server.url);
  await until("the name", () => text(tab, "who"), (words) => words === "annaLog out");
  await tab.evaluate(() => fetch("/logout", { method: "POST" }));
  await tab.close();
});

test("a token is typed too, an address that leads elsewhere is not followed, and who guesses is told to wait", async () => {
  const tab = await browser.open(`${server.url}login?next=//evil.example/`);
  await tab.click("#other");
  await send(tab, { token: TOKEN });
  await until("the wall", () => path(tab), (now) => now === "/");
  assert.equal(new URL(tab.url()).host, new URL(server.url).host);
  await tab.goto(`${server.url}login?because=expired`);
  await screenshot(tab, "login-expired-desktop");
  for (let guess = 0; guess < 9; guess++) {
    await tab.evaluate(() =>
      fetch("/login", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ user: "anna", password: "x" }) }),
    );
  }
  await send(tab, { user: "anna", password: "another guess" });
  await until("wait", () => text(tab, "trouble"), (words) => words.startsWith("Too many wrong attempts"), 3000);
  await screenshot(tab, "login-slowed-desktop");
  await tab.close();
});
