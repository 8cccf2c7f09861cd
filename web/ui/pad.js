/**
 * A pad to drive by: a stick for touch and mouse, the keys W A S D and the arrows, a gamepad. What it says is in docs/ref/data.md.
 *
 * It speaks ten times a second while it is not at rest and once when it comes to rest, so that silence means rest or a line that is gone.
 * The strongest of its three ways counts, whichever is touched.
 */
export class Pad {
  element = document.createElement("div");
  #stick = document.createElement("div");
  #say;
  /** Keys that are held down. @type {Set<string>} */
  #keys = new Set();
  #touch = { x: 0, y: 0 };
  #rested = true;
  /** Buttons of the gamepad as they were. @type {boolean[]} */
  #buttons = [];
  #timer;
  #listening = new AbortController();

  /** @param {(message: object) => void} say */
  constructor(say) {
    this.#say = say;
    this.element.className = "pad";
    this.element.tabIndex = 0;
    this.element.role = "application";
    this.element.ariaLabel = "Stick: drag it, or use W A S D, the arrow keys or a gamepad";
    this.#stick.className = "stick";
    this.element.append(this.#stick);
    const { signal } = this.#listening;
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      this.#drag(event);
    }, { signal });
    this.element.addEventListener("pointermove", (event) => {
      if (this.element.hasPointerCapture(event.pointerId)) this.#drag(event);
    }, { signal });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.element.addEventListener(end, () => this.#release(), { signal });
    }
    addEventListener("keydown", (event) => this.#key(event, true), { signal });
    addEventListener("keyup", (event) => this.#key(event, false), { signal });
    // Keys that are let go elsewhere are never heard of.
    addEventListener("blur", () => this.#keys.clear(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.#keys.clear(), { signal });
    this.#timer = setInterval(() => this.#tick(), 1000 / RATE);
  }

  /** At rest from now on. */
  close() {
    this.#listening.abort();
    clearInterval(this.#timer);
    if (!this.#rested) this.#say({ type: "drive", x: 0, y: 0 });
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    const box = this.element.getBoundingClientRect();
    const reach = box.width / 2;
    const [x, y] = [(event.clientX - box.left - reach) / reach, (box.top + reach - event.clientY) / reach];
    const length = Math.max(1, Math.hypot(x, y));
    this.#touch = { x: x / length, y: y / length };
    this.#show(this.#touch);
    event.preventDefault();
  }

  #release() {
    this.#touch = { x: 0, y: 0 };
  }

  /** @param {KeyboardEvent} event @param {boolean} down */
  #key(event, down) {
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea");
    if (!(event.code in KEYS) || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (down) this.#keys.add(event.code);
    else this.#keys.delete(event.code);
    event.preventDefault();
  }

  #tick() {
    const gamepad = [...(navigator.getGamepads?.() ?? [])].find((found) => found);
    this.#press(gamepad?.buttons.map((button) => button.pressed) ?? []);
    const ways = [this.#touch, held(this.#keys), { x: steady(gamepad?.axes[0]), y: -steady(gamepad?.axes[1]) }];
    const { x, y } = ways.reduce((most, way) => (Math.hypot(way.x, way.y) > Math.hypot(most.x, most.y) ? way : most));
    this.#show({ x, y });
    const rests = x === 0 && y === 0;
    if (rests && this.#rested) return;
    this.#rested = rests;
    this.#say({ type: "drive", x: round(x), y: round(y) });
  }

  /** @param {boolean[]} buttons */
  #press(buttons) {
    buttons.forEach((pressed, button) => {
      if (pressed !== (this.#buttons[button] ?? false)) this.#say({ type: "button", button, pressed });
    });
    this.#buttons = buttons;
  }

  /** @param {{ x: number, y: number }} at */
  #show({ x, y }) {
    this.#stick.style.translate = `${(x * 50).toFixed(1)}% ${(-y * 50).toFixed(1)}%`;
  }
}

/** Where keys that are held down lead. @param {Set<string>} keys */
export function held(keys) {
  let [x, y] = [0, 0];
  for (const key of keys) {
    x += KEYS[key][0];
    y += KEYS[key][1];
  }
  const length = Math.max(1, Math.hypot(Math.sign(x), Math.sign(y)));
  return { x: Math.sign(x) / length, y: Math.sign(y) / length };
}

/** A stick that nobody touches is not quite in the middle. @param {number | undefined} value */
const steady = (value) => (value === undefined || Math.abs(value) < 0.12 ? 0 : value);
/** @param {number} value */
const round = (value) => Math.round(value * 1000) / 1000 + 0;
/** Times a second. */
const RATE = 10;
/** @type {Record<string, [number, number]>} */
const KEYS = {
  KeyW: [0, 1],
  KeyS: [0, -1],
  KeyA: [-1, 0],
  KeyD: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
};
