/**
 * The real program, as a user starts it: a configuration file, a port of the system's choice, the address from its first line.
 *
 * A missing program is a failure, never a reason to skip. `stop` ends it by its own process id and waits for the end.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const ROOT = resolve(import.meta.dirname, "../../..");

/** The program under test. */
export const PROGRAM =
  process.env.FIRSTLIGHT_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug", "firstlight");

/** Where pictures of pages go. */
export const SCREENSHOTS = join(ROOT, "target", "screenshots");

export class Server {
  #process;
  #directory;
  #log = "";

  /**
   * @param {string} toml the configuration, without `[http] listen`
   * @param {{ port?: number }} [options] `port`: the one of a server that is started again
   */
  static async start(toml, { port = 0 } = {}) {
    await access(PROGRAM).catch(() => {
      throw new Error(`${PROGRAM} is missing: cargo build -p firstlight, or set FIRSTLIGHT_BIN`);
    });
    const directory = await mkdtemp(join(tmpdir(), "firstlight-interop-"));
    const config = join(directory, "firstlight.toml");
    // The usual port of WebRTC is one server's at a time.
    await writeFile(config, toml.includes("[webrtc]") ? toml : `${toml}\n[webrtc]\nlisten = "127.0.0.1:0"\n`);
    const server = new Server(spawn(PROGRAM, ["--config", config, "--listen", `127.0.0.1:${port}`]), directory);
    server.url = await server.#address();
    return server;
  }

  /** @param {import("node:child_process").ChildProcessWithoutNullStreams} process @param {string} directory */
  constructor(process, directory) {
    this.#process = process;
    this.#directory = directory;
    this.url = "";
    process.stderr.on("data", (text) => (this.#log = (this.#log + text).slice(-20_000)));
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** What it logged, the newest 20 kB. */
  get log() {
    return this.#log;
  }

  /** @param {string} path below `/api/v1/` */
  async api(path) {
    const response = await fetch(`${this.url}api/v1/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  }

  /** @param {NodeJS.Signals} [signal] */
  async stop(signal = "SIGTERM") {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill(signal);
      await ended;
    }
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #address() {
    const lines = createInterface({ input: this.#process.stdout });
    const first = once(lines, "line").then(([line]) => String(line));
    const ended = once(this.#process, "exit").then(([code]) => {
      throw new Error(`${PROGRAM} ended with ${code}: ${this.#log}`);
    });
    const line = await Promise.race([first, ended]);
    ended.catch(() => {}); // the end after the start is `stop`'s affair
    const address = /http:\/\/[^\s]+/.exec(line)?.[0];
    if (!address) throw new Error(`no address in ${JSON.stringify(line)}`);
    return address;
  }
}
