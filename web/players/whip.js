/**
 * The one request that WHIP and WHEP begin with (RFC 9725 §4.2): an offer goes out, an answer and the session's own address come back.
 */

/** A request that was refused, in the server's words. */
export class Refused extends Error {
  /** @param {number} status @param {string} words */
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

/**
 * @param {URL} url @param {string} offer @param {AbortSignal} [signal]
 * @returns {Promise<{ answer: string, resource: string, link: string }>} `link`: the headers about servers for ICE
 */
export async function offered(url, offer, signal) {
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: offer, signal });
  if (response.status !== 201) {
    const problem = await response.json().catch(() => null);
    throw new Refused(response.status, problem?.detail ?? `the server answers ${response.status}`);
  }
  const resource = new URL(response.headers.get("Location") ?? "", url).href;
  return { answer: await response.text(), resource, link: response.headers.get("Link") ?? "" };
}

/**
 * Ends a session of ours. Where there is a connection, its end tells the server at once, and a request would find nothing any more; where
 * there is none, only a request does.
 *
 * @param {RTCPeerConnection} peer @param {string | null} resource the session's own address, if it is known by now
 */
export function leave(peer, resource) {
  const isHeard = ["connected", "failed"].includes(peer.connectionState);
  peer.close();
  if (resource && !isHeard) fetch(resource, { method: "DELETE", keepalive: true }).catch(() => {});
}
