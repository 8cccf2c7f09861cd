/**
 * A stream's address: from the `src` a page gives, every URL of that stream and its server.
 *
 * `src` is the stream's page (`/front`, `https://host:8443/OAK1/CAM_A/`). Its query (a token, say) goes along on
 * every request. The names of the URLs are the server's (docs/ref/websocket.md), made here and nowhere else.
 */
export class Address {
  #url;

  /** @param {string} src @param {string} base */
  constructor(src, base) {
    this.#url = new URL(src, base);
    this.#url.hash = "";
    this.#url.pathname = this.#url.pathname.replace(/\/+$/, "") + "/";
  }

  /** The stream's name, as the API spells it. */
  get name() {
    return decodeURIComponent(this.#url.pathname.slice(1, -1));
  }

  get page() {
    return this.#url.href;
  }

  /** @param {string} format @param {Record<string, string | number>} [options] */
  socket(format, options = {}) {
    const url = this.#webSocket("ws");
    for (const [key, value] of Object.entries({ format, ...options })) url.searchParams.set(key, String(value));
    return url.href;
  }

  /** Where messages go and come. */
  get data() {
    return this.#webSocket("data").href;
  }

  /** @param {string} path */
  #webSocket(path) {
    const url = this.below(path);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }

  /** @param {string} path */
  below(path) {
    const url = new URL(this.#url);
    url.pathname += path;
    return url;
  }

  /** By a protocol of its own, which is spoken at a port of its own. @param {string} scheme @param {number} port */
  by(scheme, port) {
    const usual = scheme === "rtsp" ? 554 : scheme === "rtmp" ? 1935 : 0;
    return `${scheme}://${this.#url.hostname}${port === usual ? "" : `:${port}`}${this.#url.pathname.slice(0, -1)}${this.#url.search}`;
  }

  /** @param {string} path */
  api(path) {
    const url = new URL(this.#url);
    url.pathname = "/api/v1/" + path;
    return url.href;
  }
}
