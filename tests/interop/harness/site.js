/**
 * Somebody else's web site: a few pages and, as nginx does in the camera recipe, a WebSocket passed on to our server.
 *
 * Like nginx by default, the proxy sends the target's own `Host`; the browser's `Origin` goes through unchanged, so our
 * server sees a foreign page and must have been told to allow it.
 */
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { extname, join } from "node:path";

export class Site {
  /** URL path → file. @type {Map<string, string>} */
  #files = new Map();
  /** URL path → HTML. @type {Map<string, string>} */
  #written = new Map();
  /** URL path → URL. @type {Map<string, URL>} */
  #sockets = new Map();
  #server = createServer((request, response) => this.#answer(request, response));
  /** @type {Set<import("node:net").Socket>} */
  #open = new Set();
  origin = "";

  static async start() {
    const site = new Site();
    site.#server.on("upgrade", (request, socket, head) => site.#pass(request, /** @type {any} */ (socket), head));
    await new Promise((done) => site.#server.listen(0, "127.0.0.1", () => done(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (site.#server.address());
    site.origin = `http://127.0.0.1:${address.port}`;
    return site;
  }

  /** Serves a file of this folder. @param {string} path @param {string} file */
  page(path, file) {
    this.#files.set(path, join(import.meta.dirname, "..", file));
  }

  /** Serves this page. @param {string} path @param {string} html */
  write(path, html) {
    this.#written.set(path, html);
  }

  /** Passes WebSockets at `path` on to `target`. @param {string} path @param {string} target */
  socket(path, target) {
    this.#sockets.set(path, new URL(target));
  }

  async stop() {
    for (const socket of this.#open) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const path = new URL(request.url ?? "/", "http://site").pathname;
    const written = this.#written.get(path);
    if (written !== undefined) return void response.writeHead(200, { "content-type": TYPES[".html"] }).end(written);
    const file = this.#files.get(path);
    if (!file) return void response.writeHead(path === "/favicon.ico" ? 204 : 404).end();
    const type = TYPES[extname(file)];
    response.writeHead(200, { "content-type": type }).end(await readFile(file));
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:net").Socket} viewer @param {Buffer} head */
  #pass(request, viewer, head) {
    const target = this.#sockets.get(request.url ?? "");
    if (!target) return viewer.end("HTTP/1.1 404 Not Found\r\n\r\n");
    const server = connect(Number(target.port), target.hostname);
    const headers = [`Host: ${target.host}`];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      if (request.rawHeaders[i].toLowerCase() !== "host") headers.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    }
    server.write(`GET ${target.pathname}${target.search} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
    server.write(head);
    for (const [from, to] of [[viewer, server], [server, viewer]]) {
      this.#open.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => (this.#open.delete(from), to.destroy()));
    }
  }
}

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript" };
