/**
 * A program of the robot's library, as its user starts it, with sound devices that are files and a screen that nobody sees.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROGRAM, SCREENSHOTS } from "./server.js";
import { until } from "./browser.js";

export class Robot {
  #process;
  #directory;
  #log = "";

  /** @param {string} example its name @param {string[]} [values] @param {{ screen?: Screen }} [options] */
  static async start(example, values = [], { screen } = {}) {
    const program = join(PROGRAM, "../examples", example);
    await access(program).catch(() => {
      throw new Error(`${program} is missing: cargo build -p firstlight-robot --examples`);
    });
    const directory = await mkdtemp(join(tmpdir(), "firstlight-robot-"));
    const heard = join(directory, "heard.raw");
    // What is recorded is a tone, again and again; what is played is kept.
    execFileSync("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "sine=440:sample_rate=48000:duration=30", "-ac", "2", "-f", "s16le", join(directory, "tone.raw")]);
    await writeFile(
      join(directory, "asound.conf"),
      `pcm.!default { type file slave.pcm { type null } file "${heard}" infile "${join(directory, "tone.raw")}" format raw }\n`,
    );
    const address = `127.0.0.1:${await freePort()}`;
    const environment = { ...process.env, LISTEN: address, ALSA_CONFIG_PATH: join(directory, "asound.conf"), DISPLAY: screen?.name };
    const robot = new Robot(spawn(program, values, { env: environment }), directory, `http://${address}/`);
    robot.heard = () => readFile(heard).catch(() => Buffer.alloc(0));
    const answers = () => fetch(robot.url).then((answer) => answer.ok, () => false);
    await until(`${example} answers`, answers, (yes) => yes).catch((error) => {
      throw new Error(`${error}: ${robot.log}`);
    });
    return robot;
  }

  /** @param {import("node:child_process").ChildProcessWithoutNullStreams} process @param {string} directory @param {string} url */
  constructor(process, directory, url) {
    this.#process = process;
    this.#directory = directory;
    this.url = url;
    this.heard = async () => Buffer.alloc(0);
    process.stderr.on("data", (text) => (this.#log += text));
  }

  get log() {
    return this.#log;
  }

  async stop() {
    await ended(this.#process);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A screen in memory. */
export class Screen {
  #process;

  static async start() {
    const server = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    const [number] = await once(/** @type {import("node:stream").Readable} */ (server.stdio[3]), "data");
    return new Screen(server, `:${String(number).trim()}`);
  }

  /** @param {import("node:child_process").ChildProcess} process @param {string} name */
  constructor(process, name) {
    this.#process = process;
    this.name = name;
  }

  /** The colours of its middle, a pixel each: red, green, blue. */
  middle() {
    const grab = ["-v", "error", "-f", "x11grab", "-video_size", "800x600", "-i", this.name, "-frames:v", "1"];
    return execFileSync("ffmpeg", [...grab, "-vf", "crop=200:200:100:100", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
  }

  /** @param {string} name */
  async shoot(name) {
    execFileSync("mkdir", ["-p", SCREENSHOTS]);
    execFileSync("ffmpeg", ["-v", "error", "-y", "-f", "x11grab", "-video_size", "800x600", "-i", this.name, "-frames:v", "1", join(SCREENSHOTS, `${name}.png`)]);
  }

  async stop() {
    await ended(this.#process);
  }
}

/** @param {import("node:child_process").ChildProcess} process */
async function ended(process) {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const end = once(process, "exit");
  process.kill("SIGTERM");
  await end;
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((found) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => found(typeof address === "object" && address ? address.port : 0));
    });
  });
}
