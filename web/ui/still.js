/**
 * A still of the stream for viewers who cannot be served now: the server is full, and they see at least what there is.
 *
 * Asked for anew every few seconds while it is shown; the server makes one picture for all who ask.
 */
export class Still {
  #image = new Image();
  #timer = 0;
  #changed;

  /** @param {() => void} changed called when there is a picture, or no longer */
  constructor(changed) {
    this.#changed = changed;
    this.#image.className = "surface still";
    this.#image.alt = "";
    this.#image.onload = () => this.#show(true);
    this.#image.onerror = () => this.#show(false);
  }

  get element() {
    return this.#image;
  }

  get shown() {
    return this.#image.classList.contains("shown");
  }

  /** @param {URL} url */
  start(url) {
    if (this.#timer) return;
    const ask = () => {
      url.searchParams.set("t", String(Date.now()));
      this.#image.src = url.href;
    };
    this.#timer = setInterval(ask, EVERY);
    ask();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#image.removeAttribute("src");
    this.#show(false);
  }

  /** @param {boolean} there */
  #show(there) {
    const now = there && this.#timer !== 0;
    if (now === this.shown) return;
    this.#image.classList.toggle("shown", now);
    this.#changed();
  }
}

const EVERY = 5000;
