/**
 * A WebSocket that ends once, with a reason a person can read.
 *
 * Close codes are those of docs/ref/websocket.md. Not here: trying again (session.js).
 */

/**
 * @param {string} url
 * @param {{ message: (data: string | ArrayBuffer) => void, closed: (failure: Failure) => void }} on
 */
export function openSocket(url, on) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  let opened = false;
  socket.onopen = () => (opened = true);
  socket.onmessage = (event) => on.message(event.data);
  socket.onclose = (event) =>
    on.closed({
      kind: "closed",
      code: event.code,
      message: event.reason || REASONS[event.code] || (opened ? "the connection broke" : "no connection to the server"),
    });
  return {
    /** @param {string | Uint8Array<ArrayBuffer>} data */
    send(data) {
      if (socket.readyState === WebSocket.OPEN) socket.send(data);
    },
    /** Bytes that are sent but not gone yet. */
    waiting: () => socket.bufferedAmount,
    close() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

/** @type {Record<number, string>} */
const REASONS = {
  1000: "the stream was removed",
  1001: "the server is stopping",
  1008: "the server refused a message",
  1013: "too many viewers",
};
