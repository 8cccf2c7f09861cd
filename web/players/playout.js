/**
 * When to show what: the map from presentation time to our clock.
 *
 * A picture is due at `pts + base + delay`. `base` is the least (arrival − pts) of the last seconds, that is the path's
 * own delay; `delay` is a jitter buffer just as deep as arrivals have lately been late, at most 50 ms for pictures alone.
 * With sound the buffer also covers what the sound card needs, less the 30 ms by which sound may trail unnoticed.
 *
 * Time is an argument (ms). `delay` moves by at most 2 % of real time, so sound that follows it keeps its pitch, but when
 * sound would otherwise trail by more than 50 ms.
 */
export class Playout {
  #window = { previous: Infinity, current: Infinity, until: 0 };
  #jitter = 0;
  #delay = 0;
  #stepped = 0;
  #soundLate = 0;
  #output = NaN;

  /** A picture with this pts is ready. @param {number} pts @param {number} now */
  arrived(pts, now) {
    const lag = now - pts;
    if (Math.abs(lag - this.#base) > JUMP) this.#window = { previous: Infinity, current: Infinity, until: 0 };
    const w = this.#window;
    if (now >= w.until) this.#window = { previous: w.current, current: lag, until: now + WINDOW };
    else w.current = Math.min(w.current, lag);
    const late = lag - this.#base;
    this.#jitter = late < JUMP / 2 ? Math.max(late, this.#jitter * 0.99) : this.#jitter;
  }

  /** Sound with this pts is decoded; `output` is what the sound card adds. @param {number} pts @param {number} now @param {number} output */
  soundArrived(pts, now, output) {
    if (this.#base === Infinity) this.arrived(pts, now);
    const late = now - pts - this.#base;
    if (late < JUMP / 2) this.#soundLate = Math.max(late, this.#soundLate * 0.995);
    this.#output = output;
  }

  soundEnded() {
    this.#output = NaN;
    this.#soundLate = 0;
  }

  /** Lets the delay follow what is needed. @param {number} now */
  step(now) {
    const want = Math.max(
      Math.min(this.#jitter, PICTURE_MOST),
      Number.isNaN(this.#output) ? 0 : this.#soundNeeds - SOUND_TRAILS,
    );
    const most = Math.min(now - this.#stepped, 1000) * SLEW;
    const slewed = this.#stepped === 0 ? want : this.#delay + Math.max(-most, Math.min(most, want - this.#delay));
    this.#delay = Math.max(slewed, Number.isNaN(this.#output) ? 0 : this.#soundNeeds - SOUND_TRAILS_MOST);
    this.#stepped = now;
  }

  /** @param {number} pts */
  due(pts) {
    return pts + this.#base + this.#delay;
  }

  /** When sound should leave the speaker. @param {number} pts */
  soundDue(pts) {
    return pts + this.#base + Math.max(this.#delay, this.#soundNeeds);
  }

  get delay() {
    return this.#delay;
  }

  get #soundNeeds() {
    return Math.min(this.#soundLate + this.#output + CUSHION, SOUND_MOST);
  }

  get #base() {
    return Math.min(this.#window.previous, this.#window.current);
  }
}

const WINDOW = 2000;
const JUMP = 1000;
const PICTURE_MOST = 50;
const SOUND_MOST = 400;
const SOUND_TRAILS = 30;
const SOUND_TRAILS_MOST = 50;
const CUSHION = 15;
const SLEW = 0.02;
