/**
 * What the server says about its streams (`GET /api/v1/streams`), asked at most once a second for a whole page.
 *
 * A socket that fails does not say why; this does: no such stream, a camera that is away and its reason, a viewer who must
 * log in, a page of another server that is not allowed, or no server.
 */

/**
 * @param {import("./address.js").Address} address
 * @returns {Promise<{ server: "away" | "closed" | "expired" | "foreign" | "there", stream: StreamInfo | null }>} `there` and null: no such stream
 */
export async function askServer(address) {
  const url = address.api("streams");
  const known = answers.get(url);
  const answer = known && performance.now() - known.at < 1000 ? known.answer : ask(url);
  if (answer !== known?.answer) answers.set(url, { at: performance.now(), answer });
  const streams = await answer;
  if (!Array.isArray(streams)) return { server: streams, stream: null };
  return { server: "there", stream: streams.find((s) => s.name === address.name) ?? null };
}

/** @param {string} url @returns {Promise<StreamInfo[] | "away" | "closed" | "expired" | "foreign">} */
async function ask(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(4000) });
    if (response.status === 401 || response.status === 403) {
      const problem = await response.json().catch(() => null);
      return /expired/.test(problem?.detail ?? "") ? "expired" : "closed";
    }
    return response.ok ? await response.json() : "away";
  } catch {
    return (await letsOthersLoad(url)) ? "foreign" : "away";
  }
}

/** Whether a server of another origin gives what it gives every page, the player itself. @param {string} url */
async function letsOthersLoad(url) {
  if (new URL(url).origin === location.origin) return false;
  try {
    const module = new URL("/firstlight-player.js", url);
    return (await fetch(module, { method: "HEAD", signal: AbortSignal.timeout(4000) })).ok;
  } catch {
    return false;
  }
}

/** @type {Map<string, { at: number, answer: Promise<StreamInfo[] | "away" | "closed" | "expired" | "foreign"> }>} */
const answers = new Map();
