/**
 * A camera: writes the byte stream in a file to its standard output, 30 pictures a second, again and again.
 *
 *     node camera.js FILE
 *
 * Each picture must be one slice.
 */
import { readFileSync } from "node:fs";
import { byteStream, nalType, nalUnits } from "./h264.js";

/** @type {Buffer[][]} */
const pictures = [];
let units = [];
for (const unit of nalUnits(readFileSync(process.argv[2]))) {
  units.push(unit);
  if (nalType(unit) > 5) continue;
  pictures.push(units);
  units = [];
}

const started = performance.now();
let sent = 0;
setInterval(() => {
  for (; sent < (performance.now() - started) * 0.03; sent++) {
    process.stdout.write(byteStream(pictures[sent % pictures.length]));
  }
}, 5);
process.stdout.on("error", () => process.exit());
