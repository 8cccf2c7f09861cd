/**
 * A device's timestamps on this computer's clock, so that sound and picture, whose clocks start and run as they like, stay together.
 *
 * What arrives soonest after it was made tells the difference of the clocks; later arrivals are the computer's business. The shortest of the
 * last two windows counts, so that it follows a device that runs a little fast or slow.
 */
export class MediaClock {
  #shortest = Infinity;
  #before = Infinity;
  #since = -Infinity;
  #last = -Infinity;

  /** Something arrived. @param {number} stamp its timestamp, µs @param {number} now our clock, µs */
  arrived(stamp, now) {
    if (now - this.#since > WINDOW) {
      [this.#before, this.#shortest, this.#since] = [this.#shortest, Infinity, now];
    }
    this.#shortest = Math.min(this.#shortest, now - stamp);
  }

  /** The time of a timestamp by our clock, µs; later than the one asked before. @param {number} stamp */
  at(stamp) {
    this.#last = Math.max(stamp + Math.min(this.#shortest, this.#before), this.#last + 1);
    return this.#last;
  }
}

const WINDOW = 5e6;
