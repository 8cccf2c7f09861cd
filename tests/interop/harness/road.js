/**
 * A road for datagrams between browsers and a server, of which some are lost. Each sender has a port of its own towards the server.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";

export class Road {
  #near = createSocket("udp4");
  /** @type {Map<number, import("node:dgram").Socket>} */
  #far = new Map();
  #seed = 1;
  lost = 0;
  passed = 0;

  /** @param {number} port of the server on this machine @param {number} loss of a thousand */
  static async to(port, loss) {
    const road = new Road(port, loss);
    road.#near.bind(0, "127.0.0.1");
    await once(road.#near, "listening");
    return road;
  }

  /** @param {number} server @param {number} loss */
  constructor(server, loss) {
    this.#near.on("message", (bytes, { port }) => {
      let far = this.#far.get(port);
      if (!far) {
        this.#far.set(port, (far = createSocket("udp4")));
        far.on("message", (answer) => this.#passes(loss) && this.#near.send(answer, port, "127.0.0.1"));
      }
      if (this.#passes(loss)) far.send(bytes, server, "127.0.0.1");
    });
  }

  get port() {
    return this.#near.address().port;
  }

  /** @param {number} loss */
  #passes(loss) {
    // The same luck each time.
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
    const passes = (this.#seed >>> 8) % 1000 >= loss;
    if (passes) this.passed++;
    else this.lost++;
    return passes;
  }

  stop() {
    this.#near.close();
    for (const far of this.#far.values()) far.close();
  }
}
