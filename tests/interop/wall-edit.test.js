/**
 * Cameras are added by a pasted address, renamed and removed on the wall, at the size of a desk and of a phone; what is wrong is said while
 * it is typed, and a camera of the configuration cannot be touched.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, screenshot, until, wait } from "./harness/browser.js";
import { Server } from "./harness/server.js";

/** @typedef {import("puppeteer-core").Page} Page */

/** @type {Server} */ let server;
/** @type {Browser} */ let browser;

before(async () => {
  server = await Server.start("");
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

for (const phone of [false, true]) {
  const size = phone ? "phone" : "desktop";

  test(`a camera is added, renamed and removed, ${size}`, async () => {
    const tab = await browser.open(server.url, { phone });
    await tab.waitForSelector("#empty-add button", { visible: true });
    await screenshot(tab, `wall-empty-${size}`);
    await tab.click("#empty-add button");
    await screenshot(tab, `wall-add-${size}`);

    // Errors in the server's words, while typing; the button waits for what would be taken.
    await tab.type("dialog input[name=source]", "exec:rpicam-vid -o -");
    await said(tab, "dialog p.trouble", /configuration file alone/);
    await screenshot(tab, `wall-add-refused-${size}`);
    assert.equal(await disabled(tab), true);
    await retype(tab, "source", "srt://10.0.0.5:9000");
    await said(tab, "#trouble-source", /srt/);
    await retype(tab, "name", "a b");
    await retype(tab, "source", "tcp://127.0.0.1:1");
    await said(tab, "#trouble-name", /letters/);
    await screenshot(tab, `wall-add-wrong-${size}`);
    await retype(tab, "source", "test");
    await retype(tab, "name", "yard");
    await until("it can be added", () => disabled(tab), (is) => !is);
    await tab.keyboard.press("Enter");
    await until("it is on the wall", () => names(tab), (now) => now.join() === "yard");
    assert.equal(await tab.$("dialog"), null);
    await wait(1500);
    await screenshot(tab, `wall-added-${size}`);

    await tab.click(".tile .more");
    await tab.waitForSelector("dialog[open]");
    await screenshot(tab, `wall-change-${size}`);
    await retype(tab, "name", "gate/north");
    await tab.click("dialog button[type=submit]");
    await until("it has its new name", () => names(tab), (now) => now.join() === "gate/north");

    // Looked at once more before it goes; Enter alone keeps it.
    await tab.click(".tile .more");
    await tab.click("dialog .danger[type=button]");
    await said(tab, "dialog h2", /^Remove gate\/north\?$/);
    await screenshot(tab, `wall-remove-${size}`);
    await tab.keyboard.press("Enter");
    await until("the question is gone", () => tab.$("dialog"), (dialog) => dialog === null);
    assert.deepEqual(await names(tab), ["gate/north"]);
    await tab.click(".tile .more");
    await tab.click("dialog .danger[type=button]");
    await said(tab, "dialog h2", /^Remove gate\/north\?$/);
    await tab.click("dialog button[type=submit]");
    await until("it is gone", () => names(tab), (now) => now.length === 0);
    await tab.waitForSelector("#empty", { visible: true });
    // A refusal is an error to the browser's console; so is the answer to a player that asks once more, before it hears that its camera has
    // another name or is gone. Nothing else may be there.
    const expected = /status of (403|422)|\/(yard|gate\/north)\/(ws|whep)\b.*404|404.*\/(yard|gate\/north)\/(ws|whep)\b/;
    assert.deepEqual(tab.complaints.filter((text) => !expected.test(text)), []);
    await tab.close();
  });
}

test("a camera of the configuration has no button, and a name that is taken is said to be", async () => {
  const other = await Server.start(`
    [streams.front]
    source = { test = { width = 320, height = 180, fps = 10 } }
  `);
  const tab = await browser.open(other.url);
  await until("it is on the wall", () => names(tab), (now) => now.join() === "front");
  assert.equal(await tab.$eval(".tile .more", (more) => /** @type {HTMLElement} */ (more).hidden), true);
  await tab.click("#add");
  await retype(tab, "source", "test");
  await retype(tab, "name", "front");
  await said(tab, "dialog p.trouble", /already a stream named front/);
  assert.equal(await disabled(tab), true);
  await tab.keyboard.press("Escape");
  await until("the dialog is gone", () => tab.$("dialog"), (dialog) => dialog === null);
  await tab.close();
  await other.stop();
});

/** @param {Page} tab */
const names = (tab) => tab.$$eval(".tile h2", (titles) => titles.map((title) => title.textContent));

/** @param {Page} tab */
const disabled = (tab) => tab.$eval("dialog button[type=submit]", (button) => /** @type {HTMLButtonElement} */ (button).disabled);

/** @param {Page} tab @param {string} selector @param {RegExp} words */
const said = (tab, selector, words) =>
  until(`${selector} says ${words}`, () => tab.$eval(selector, (place) => place.textContent ?? ""), (text) => words.test(text));

/** @param {Page} tab @param {string} name @param {string} text */
async function retype(tab, name, text) {
  const field = `dialog input[name=${name}]`;
  await tab.$eval(field, (input) => /** @type {HTMLInputElement} */ (input).select());
  await tab.type(field, text);
}
