/**
 * A network of a test's own: loopback, and one address that is none, as peers want that use no loopback (libnice, aioice, Firefox). No name
 * is known in it, and nothing else can be reached.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";

/** The address that is no loopback. */
export const ADDRESS = "10.77.0.1";

const INSIDE = "FIRSTLIGHT_OWN_NETWORK";
const PREPARE = `ip link set lo up && ip link add va type veth peer name vb && ip address add ${ADDRESS}/24 dev va &&
  ip link set va up && ip link set vb up`;
/** Firefox uses the address that leads everywhere; here that is nowhere. */
const ROUTE = "ip route add default via 10.77.0.2";

/** Whether this program runs in such a network. */
export const isInside = process.env[INSIDE] !== undefined;

/**
 * Runs a file of tests in such a network; fails with what it said.
 * @param {string} file @param {(said: string) => void} note @param {{ route?: boolean }} [options] `route`: as if it led everywhere
 */
export async function runInside(file, note, { route = false } = {}) {
  const environment = { ...process.env, [INSIDE]: "1" };
  delete environment.NODE_TEST_CONTEXT; // or it would run nothing, being inside of a test
  // Who is not root may be it in a world of their own.
  const rights = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const script = `${route ? `${PREPARE} && ${ROUTE}` : PREPARE} && exec "$@"`;
  const child = spawn("unshare", [...rights, "--net", "sh", "-c", script, "sh", process.execPath, "--test-reporter=spec", file], { env: environment });
  let said = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`in a network of its own:\n${said}`);
  note(said);
}
