/**
 * When to show what: the map from presentation time to our clock.
 *
 * A picture is due at `pts + base + delay`. `base` is the least (arrival − pts) of the last seconds, that is the path's
 * own delay; `delay` is a jitter buffer just as deep as arrivals have lately been late, at most 50 ms for pictures alone.
 * With sound, sound sets the pace: it needs what its own arrivals and the sound card need, and pictures stay 40 ms ahead of
 * it (sound may trail that much unnoticed), at most 50 ms.
 *
 * Time is an argument (ms). Invariant: both delays shrink by at most 1 % of real time, so that sound keeps its pitch.
 */
export class Playout {
  #window = { previous: Infinity, current: Infinity, until: 0 };
  #jitter = 0;
  #delay = 0;
  #stepped = 0;
  /** @type {{ late: number, output: number, delay: number, pts: number, now: number, judged: number } | null} */
  #sound = null;

  /** A picture with this pts is ready. @param {number} pts @param {number} now */
  arrived(pts, now) {
    const lag = now - pts;
    if (Math.abs(lag - this.#base) > JUMP) this.#window = { previous: Infinity, current: Infinity, until: 0 };
    const w = this.#window;
    if (now >= w.until) this.#window = { previous: w.current, current: lag, until: now + WINDOW };
    else w.current = Math.min(w.current, lag);
    this.#jitter = Math.max(Math.min(lag - this.#base, PICTURE_MOST), this.#jitter * 0.99);
  }

  /**
   * Sound with this pts is decoded; `output` is what the sound card adds. What comes in a burst (the backlog at the
   * start, the second block of a message) says nothing about how late sound can be; what begins the burst does.
   * @param {number} pts @param {number} now @param {number} output
   */
  soundArrived(pts, now, output) {
    if (this.#base === Infinity) this.arrived(pts, now);
    // After a stall the backlog comes first, in pieces perhaps: sound begins anew, and they say nothing.
    const stalled = this.#sound !== null && now - this.#sound.now > JUMP;
    if (stalled) this.#sound = null;
    const sound = (this.#sound ??= { late: 0, output, delay: 0, pts: Infinity, now, judged: stalled ? now + BACKLOG : now });
    const burst = pts - sound.pts > (now - sound.now) * 1.5 || sound.pts === Infinity;
    const late = now - pts - this.#base;
    if (!burst && late < JUMP / 2 && now >= sound.judged) sound.late = Math.max(late, sound.late * 0.99);
    Object.assign(sound, { output, pts, now });
    if (sound.delay === 0) sound.delay = this.#soundNeeds;
  }

  soundEnded() {
    this.#sound = null;
  }

  /** Lets the delays follow what is needed: more at once, less little by little. @param {number} now */
  step(now) {
    const shrink = this.#stepped === 0 ? Infinity : Math.min(now - this.#stepped, 1000) * SLEW;
    this.#stepped = now;
    const sound = this.#sound;
    if (sound) sound.delay = Math.max(this.#soundNeeds, sound.delay - shrink);
    const want = Math.max(this.#jitter, sound ? sound.delay - SOUND_TRAILS : 0);
    const slewed = this.#delay + Math.max(-shrink, Math.min(2 * shrink, want - this.#delay));
    this.#delay = Math.max(slewed, sound ? sound.delay - SOUND_TRAILS_MOST : 0);
  }

  /** @param {number} pts */
  due(pts) {
    return pts + this.#base + this.#delay;
  }

  /** When sound should leave the speaker. @param {number} pts */
  soundDue(pts) {
    return pts + this.#base + Math.max(this.#delay, this.#sound?.delay ?? 0);
  }

  get delay() {
    return this.#delay;
  }

  get #soundNeeds() {
    return this.#sound ? Math.min(this.#sound.late + this.#sound.output + CUSHION, SOUND_MOST) : 0;
  }

  get #base() {
    return Math.min(this.#window.previous, this.#window.current);
  }
}

const WINDOW = 2000;
const JUMP = 1000;
const PICTURE_MOST = 50;
const SOUND_MOST = 400;
const SOUND_TRAILS = 40;
const SOUND_TRAILS_MOST = 50;
const CUSHION = 15;
const BACKLOG = 500;
const SLEW = 0.01;
