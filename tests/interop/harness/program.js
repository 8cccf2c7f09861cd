/** Another program that a test talks to: what it says is a line of JSON each. Ended by its own process id. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { until } from "./browser.js";

export class Program {
  #process;
  #errors = "";
  /** All that it has said. @type {any[]} */
  said = [];

  /** @param {string} command @param {string[]} parameters */
  constructor(command, parameters) {
    this.#process = spawn(command, parameters);
    this.#process.stderr.on("data", (text) => (this.#errors = (this.#errors + text).slice(-4_000)));
    this.#process.on("error", (error) => (this.#errors += error));
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.said.push(JSON.parse(line)));
  }

  /** @param {any} what a line of JSON */
  say(what) {
    this.#process.stdin.write(`${JSON.stringify(what)}\n`);
  }

  /** Waits until it has said something that is as wanted. @param {string} what @param {(said: any) => boolean} wanted @param {number} [ms] */
  async hears(what, wanted, ms = 15_000) {
    const look = async () => ({ said: this.said, errors: this.#errors });
    const { said } = await until(what, look, ({ said }) => said.some(wanted), ms);
    return said.find(wanted);
  }

  /** Ends its input, and it with that. */
  async end() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "close");
    this.#process.stdin.end();
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(late);
  }
}
