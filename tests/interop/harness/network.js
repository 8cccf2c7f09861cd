/**
 * A network that can stall: a TCP proxy in front of a server that holds every byte back while it is paused.
 *
 * Connections stay up, as on a radio link that has lost its signal; what was held back comes all at once afterwards.
 */
import { connect, createServer } from "node:net";

export class Network {
  #server;
  /** @type {Set<import("node:net").Socket>} */
  #open = new Set();
  #paused = false;
  port = 0;

  /** @param {number} port of the server on this machine */
  static async to(port) {
    const network = new Network(port);
    await new Promise((done) => network.#server.listen(0, "127.0.0.1", () => done(null)));
    network.port = /** @type {import("node:net").AddressInfo} */ (network.#server.address()).port;
    return network;
  }

  /** @param {number} port */
  constructor(port) {
    this.#server = createServer((viewer) => {
      const server = connect(port, "127.0.0.1");
      for (const [from, to] of [[viewer, server], [server, viewer]]) {
        this.#open.add(from);
        from.setNoDelay(true);
        from.on("data", (bytes) => {
          if (!to.write(bytes)) from.pause();
        });
        to.on("drain", () => this.#paused || from.resume());
        from.on("end", () => to.end());
        from.on("error", () => to.destroy());
        from.on("close", () => (this.#open.delete(from), to.destroy()));
        if (this.#paused) from.pause();
      }
    });
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  stall() {
    this.#paused = true;
    for (const socket of this.#open) socket.pause();
  }

  flow() {
    this.#paused = false;
    for (const socket of this.#open) socket.resume();
  }

  async stop() {
    for (const socket of this.#open) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}
