/**
 * The parts of a `multipart/x-mixed-replace` body (RFC 2046 §5.1), from pieces cut anywhere.
 *
 * Only as our server writes it: each part has a `Content-Length`, and its payload is taken by that; the boundary between is passed over with
 * the header of the next part.
 */
export class PartReader {
  /** What is not taken yet. */
  #rest = new Uint8Array(0);

  /** @param {Uint8Array} piece @returns {Uint8Array<ArrayBuffer>[]} the payloads that are whole by it */
  push(piece) {
    const rest = new Uint8Array(this.#rest.length + piece.length);
    rest.set(this.#rest);
    rest.set(piece, this.#rest.length);
    const parts = [];
    let at = 0;
    for (;;) {
      const end = endOfHeader(rest, at);
      if (end < 0) {
        if (rest.length - at > HEADER_MOST) throw new Error("is no sequence of pictures");
        break;
      }
      const header = new TextDecoder().decode(rest.subarray(at, end));
      const length = Number(/^content-length: *(\d+)/im.exec(header)?.[1]);
      if (!(length <= PART_MOST)) throw new Error("has a picture without a length");
      if (rest.length < end + length) break;
      parts.push(rest.slice(end, end + length));
      at = end + length;
    }
    this.#rest = rest.slice(at);
    return parts;
  }
}

/** Behind the empty line, or -1. @param {Uint8Array} bytes @param {number} from */
function endOfHeader(bytes, from) {
  // Between two parts stands "\r\n--boundary\r\n": what begins with an empty line is no header.
  for (let at = from + 1; at + 3 < bytes.length && at - from < HEADER_MOST; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

const HEADER_MOST = 1024;
const PART_MOST = 32 << 20;
