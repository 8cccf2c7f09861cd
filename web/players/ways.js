/**
 * Ways to a server by WebRTC: one address tried by itself, and what all outcomes mean together.
 *
 * The connection has a data channel and nothing else; what is said on it comes back (`POST /api/v1/webrtc/check`).
 */

/** An address of the server's. @typedef {{ address: string, transport: string, kind: string }} Candidate */
/** @typedef {{ state: "works" | "failed" | "trying", roundTrip?: number, why?: string }} Outcome */

/**
 * Whether a connection to one address comes about and carries something.
 *
 * @param {(sdp: string) => Promise<string>} offer asks the server
 * @param {Candidate} candidate
 * @returns {Promise<Outcome>}
 */
export async function attempt(offer, candidate) {
  const peer = new RTCPeerConnection();
  const channel = peer.createDataChannel("check");
  let connected = false;
  peer.onconnectionstatechange = () => (connected ||= peer.connectionState === "connected");
  try {
    await peer.setLocalDescription();
    const answer = only(await offer(peer.localDescription?.sdp ?? ""), candidate);
    if (!answer) return { state: "failed", why: "the server no longer tells this address" };
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
    const roundTrip = await there(peer, channel);
    if (roundTrip !== null) return { state: "works", roundTrip };
    const nothing = candidate.transport === "udp" ? "UDP is blocked on the way, or the address is not reachable from here" : "the port is blocked on the way, or the address is not reachable from here";
    return { state: "failed", why: connected ? "it was reached, and then carried nothing" : `nothing came back; ${nothing}` };
  } catch (error) {
    return { state: "failed", why: error instanceof Error ? error.message : String(error) };
  } finally {
    peer.close();
  }
}

/** Milliseconds there and back, or null if that takes too long. @param {RTCPeerConnection} peer @param {RTCDataChannel} channel @returns {Promise<number | null>} */
function there(peer, channel) {
  return new Promise((done) => {
    const timer = setTimeout(() => done(null), PATIENCE);
    const end = (/** @type {number | null} */ value) => (clearTimeout(timer), done(value));
    let [sent, best, left] = [0, Infinity, ASKED];
    const say = () => ((sent = performance.now()), channel.send("there"));
    channel.onopen = say;
    channel.onmessage = () => {
      // The first one finds everything cold.
      best = Math.min(best, performance.now() - sent);
      if (--left > 0) say();
      else end(best);
    };
    channel.onclose = () => end(null);
    peer.addEventListener("connectionstatechange", () => peer.connectionState === "failed" && end(null));
  });
}

/** An answer that tells of one address alone; null if it does not tell that one. @param {string} answer @param {Candidate} candidate */
export function only(answer, { address, transport }) {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  let found = false;
  const lines = answer.split(/\r?\n/).filter((line) => {
    if (!line.startsWith("a=candidate:")) return true;
    const [, , protocol, , ip, at] = line.split(" ");
    const same = protocol.toLowerCase() === transport && ip === host && at === port;
    found ||= same;
    return same;
  });
  return found ? lines.join("\r\n") : null;
}

/**
 * What the outcomes mean, in words, and what to do.
 *
 * @param {Candidate[]} candidates @param {Outcome[]} outcomes
 * @returns {{ words: string, advice: string, look: "good" | "warn" | "bad" }}
 */
export function verdict(candidates, outcomes) {
  const works = (/** @type {string} */ transport) => candidates.some((candidate, at) => candidate.transport === transport && outcomes[at].state === "works");
  if (candidates.length === 0) {
    return { words: "WebRTC is off on this server", advice: "Pictures come by WebSocket. [webrtc] listen in the configuration turns it on.", look: "bad" };
  }
  if (works("udp")) {
    const failed = outcomes.some(({ state }) => state === "failed") ? " Addresses that failed are of other networks, and not needed." : "";
    return { words: "WebRTC works, by UDP", advice: `Pictures come the shortest way.${failed}`, look: "good" };
  }
  const ports = [...new Set(candidates.map(({ address }) => address.replace(/^.*:/, "")))].join(", ");
  if (works("tcp")) {
    return {
      words: "WebRTC works by TCP: UDP is blocked",
      advice: `Nothing came through by UDP, so what is lost on the way holds up all that follows it. Let UDP to port ${ports} through a firewall, here or there.`,
      look: "warn",
    };
  }
  return {
    words: "WebRTC does not get through: neither UDP nor TCP worked",
    advice: `Pictures come by WebSocket instead. Let port ${ports}, UDP and TCP, through the server's firewall; where a router stands between, [webrtc] public_addresses names its address.`,
    look: "bad",
  };
}

/** So long a way may take. */
const PATIENCE = 8000;
/** Messages there and back, of which the fastest counts. */
const ASKED = 3;
