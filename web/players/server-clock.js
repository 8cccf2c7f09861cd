/**
 * The server's clock, seen from here: Unix milliseconds by its clock minus ours, from ping and pong.
 *
 * The exchange with the shortest round trip of the last eight decides (as in NTP, RFC 5905 §10): its error is at most
 * half that round trip.
 */
export class ServerClock {
  /** @type {{ rtt: number, offset: number }[]} */
  #samples = [];

  /** @param {number} sent our clock, ms @param {number} received our clock, ms @param {number} server its clock, µs */
  pong(sent, received, server) {
    const rtt = received - sent;
    if (!(rtt >= 0)) return;
    this.#samples.push({ rtt, offset: server / 1000 - (sent + received) / 2 });
    if (this.#samples.length > 8) this.#samples.shift();
  }

  #best() {
    return this.#samples.reduce((a, b) => (b.rtt < a.rtt ? b : a), this.#samples[0]);
  }

  /** Milliseconds to add to our clock, or null before the first answer. */
  get offset() {
    return this.#samples.length ? this.#best().offset : null;
  }

  get rtt() {
    return this.#samples.length ? this.#best().rtt : null;
  }
}

/**
 * The same by HTTP, for transports without pings: `now` (Unix µs) of `GET /api/v1/server`. Null if it does not say.
 * @param {import("./address.js").Address} address
 */
export async function askServerClock(address) {
  const clock = new ServerClock();
  for (let i = 0; i < 3; i++) {
    const sent = unixNow();
    const answer = await fetch(address.api("server")).then((r) => r.json()).catch(() => null);
    if (typeof answer?.now === "number") clock.pong(sent, unixNow(), answer.now);
  }
  return clock.offset;
}

/** Unix milliseconds by our clock, finer than `Date.now()`. */
export const unixNow = () => performance.timeOrigin + performance.now();
