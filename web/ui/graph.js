/**
 * A line of the last minute, one value a second, on a canvas; colours come from the page's custom properties.
 *
 * A second without a value is a gap, never a zero. The scale is from zero to a round number above the largest value.
 */
export class Graph {
  /** @type {(number | null)[]} */
  #values = [];
  #canvas;
  #least;

  /** @param {HTMLCanvasElement} canvas @param {number} least the scale's top is never below this */
  constructor(canvas, least) {
    this.#canvas = canvas;
    this.#least = least;
  }

  /** @param {number | null} value */
  push(value) {
    this.#values.push(value);
    if (this.#values.length > SECONDS) this.#values.shift();
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const context = this.#canvas.getContext("2d");
    if (!context || !width) return;
    const scale = devicePixelRatio;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    context.scale(scale, scale);
    const style = getComputedStyle(this.#canvas);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name);
    const top = roundAbove(Math.max(this.#least, ...this.#values.map((v) => v ?? 0)));
    const y = (/** @type {number} */ value) => height - 2 - (value / top) * (height - 16);
    const x = (/** @type {number} */ index) => ((index + SECONDS - this.#values.length) / (SECONDS - 1)) * width;

    context.font = "11px ui-monospace, monospace";
    context.fillStyle = colour("--quiet");
    context.strokeStyle = colour("--rule");
    for (const value of [0, top / 2, top]) {
      context.beginPath();
      context.moveTo(0, Math.round(y(value)) + 0.5);
      context.lineTo(width, Math.round(y(value)) + 0.5);
      context.stroke();
      if (value) context.fillText(String(value), 2, y(value) - 3);
    }
    context.strokeStyle = colour("--accent");
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    let pen = false;
    this.#values.forEach((value, index) => {
      if (value !== null) pen ? context.lineTo(x(index), y(value)) : context.moveTo(x(index), y(value));
      pen = value !== null;
    });
    context.stroke();
  }
}

/** @param {number} value */
function roundAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= value * 0.999) ?? value;
}

const SECONDS = 60;
