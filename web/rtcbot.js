/**
 * The browser's half of RTCBot: one global, `rtcbot`, with what pages written for RTCBot use. Written anew from its documentation, and
 * served at `/rtcbot.js`. A plain script and no module, as those pages load it.
 *
 * What differs from the original: `Websocket` works, `close` closes channels of any number, and addresses are gathered for
 * at most a second, so that a network without the internet does not hold a connection up. The server's `[rtcbot] ice_servers`
 * stand in ICE_SERVERS; without any, the addresses of this machine are enough wherever the robot can be reached at its own.
 */
(function (root, make) {
  // @ts-ignore
  if (typeof module === "object" && module.exports) module.exports = make();
  // @ts-ignore
  else root.rtcbot = make();
})(typeof self === "undefined" ? globalThis : self, () => {
  "use strict";

  /** @type {RTCIceServer[]} */
  const ICE_SERVERS = [];
  /** So long a browser may look for addresses of its own, in milliseconds. */
  const GATHERING = 1000;
  let gamepadRate = 10;

  /** What is put in comes out in its order; who asks for more waits. */
  class Queue {
    constructor() {
      /** @type {any[]} */
      this.items = [];
      /** @type {((item: any) => void)[]} */
      this.waiting = [];
      this.put_nowait = this.put_nowait.bind(this);
      this.get = this.get.bind(this);
    }

    /** @param {any} item */
    put_nowait(item) {
      const first = this.waiting.shift();
      if (first) first(item);
      else this.items.push(item);
    }

    /** @returns {Promise<any>} */
    get() {
      if (this.items.length > 0) return Promise.resolve(this.items.shift());
      return new Promise((resolve) => this.waiting.push(resolve));
    }
  }

  /** The picture or the sound of a connection. */
  class ConnectionStreamHandler {
    /** @param {RTCPeerConnection} peer @param {string} kind */
    constructor(peer, kind) {
      this.peer = peer;
      this.kind = kind;
      this.wanted = false;
      /** @type {((stream: MediaStream) => void) | null} */
      this.callback = null;
      /** @type {MediaStream | null} */
      this.stream = null;
    }

    /** Calls back once, with the stream. @param {(stream: MediaStream) => void} callback */
    subscribe(callback) {
      this.callback = callback;
      this.offerToReceive();
      if (this.stream) callback(this.stream);
    }

    /** Sends a track of a camera or a microphone. @param {MediaStreamTrack} track */
    putSubscription(track) {
      this.peer.addTrack(track);
    }

    offerToReceive() {
      this.wanted = true;
    }

    /** @param {RTCTrackEvent} event */
    arrived(event) {
      if (this.stream) return;
      this.stream = event.streams[0] ?? new MediaStream([event.track]);
      this.callback?.(this.stream);
    }
  }

  class RTCConnection {
    /** @param {boolean} [defaultOrdered] @param {RTCConfiguration} [rtcConfiguration] */
    constructor(defaultOrdered = true, rtcConfiguration = { iceServers: ICE_SERVERS }) {
      this.ordered = defaultOrdered;
      this.rtc = new RTCPeerConnection(rtcConfiguration);
      this.video = new ConnectionStreamHandler(this.rtc, "video");
      this.audio = new ConnectionStreamHandler(this.rtc, "audio");
      /** @type {Map<string, RTCDataChannel>} */
      this.channels = new Map();
      /** @type {((message: any) => void) | null} */
      this.callback = null;
      /** Said before there was a channel. @type {string[]} */
      this.unsent = [];
      this.rtc.ontrack = (event) => (event.track.kind === "audio" ? this.audio : this.video).arrived(event);
      this.rtc.ondatachannel = ({ channel }) => this.take(channel);
      for (const name of /** @type {const} */ (["put_nowait", "subscribe", "close", "getLocalDescription", "setRemoteDescription"])) {
        /** @type {any} */ (this)[name] = this[name].bind(this);
      }
    }

    /** An offer; or, to the offer given or set before, an answer. All addresses are in it. @param {RTCSessionDescriptionInit | null} [description] */
    async getLocalDescription(description = null) {
      if (description) await this.setRemoteDescription(description);
      if (this.rtc.signalingState === "have-remote-offer") {
        await this.rtc.setLocalDescription(await this.rtc.createAnswer());
      } else {
        this.take(this.rtc.createDataChannel("default", { ordered: this.ordered }));
        for (const { kind, wanted } of [this.video, this.audio]) {
          const sends = this.rtc.getTransceivers().some((t) => t.sender.track?.kind === kind);
          if (wanted && !sends) this.rtc.addTransceiver(kind, { direction: "recvonly" });
        }
        for (const transceiver of this.rtc.getTransceivers()) {
          const kind = transceiver.sender.track?.kind;
          if (kind && !(kind === "audio" ? this.audio : this.video).wanted) transceiver.direction = "sendonly";
        }
        await this.rtc.setLocalDescription(await this.rtc.createOffer());
      }
      await this.gathered();
      return this.rtc.localDescription;
    }

    /** @param {RTCSessionDescriptionInit} description */
    async setRemoteDescription(description) {
      await this.rtc.setRemoteDescription(description);
    }

    /** Calls back with each message, as it came: a string. @param {(message: any) => void} callback */
    subscribe(callback) {
      this.callback = callback;
    }

    /** Strings go as they are, all else as JSON. @param {any} message */
    put_nowait(message) {
      const text = typeof message === "string" ? message : JSON.stringify(message);
      const channel = this.channels.get("default");
      if (channel?.readyState === "open") channel.send(text);
      else this.unsent.push(text);
    }

    async close() {
      for (const channel of this.channels.values()) channel.close();
      this.rtc.close();
    }

    /** @param {RTCDataChannel} channel */
    take(channel) {
      this.channels.set(channel.label, channel);
      if (channel.label !== "default") return;
      channel.onmessage = ({ data }) => this.callback?.(data);
      channel.onopen = () => {
        for (const text of this.unsent.splice(0)) channel.send(text);
      };
      if (channel.readyState === "open") channel.onopen(new Event("open"));
    }

    /** Until all addresses are known, or those that are known have to do. @returns {Promise<void>} */
    gathered() {
      if (this.rtc.iceGatheringState === "complete") return Promise.resolve();
      return new Promise((resolve) => {
        const late = setTimeout(resolve, GATHERING);
        this.rtc.addEventListener("icegatheringstatechange", () => {
          if (this.rtc.iceGatheringState !== "complete") return;
          clearTimeout(late);
          resolve();
        });
      });
    }
  }

  /** Keys that are pressed and let go, anywhere in the page. */
  class Keyboard {
    constructor() {
      /** @type {((event: object) => void) | null} */
      this.callback = null;
      /** @param {KeyboardEvent} event */
      this.listener = (event) => {
        if (event.repeat) return;
        const { type, altKey, shiftKey, keyCode, key } = event;
        this.callback?.({ type, altKey, shiftKey, keyCode, key });
        event.preventDefault();
      };
      addEventListener("keydown", this.listener);
      addEventListener("keyup", this.listener);
    }

    /** @param {(event: object) => void} callback */
    subscribe(callback) {
      this.callback = callback;
    }

    close() {
      removeEventListener("keydown", this.listener);
      removeEventListener("keyup", this.listener);
    }
  }

  /** Buttons and sticks of the first gamepad that is there: what has changed, looked for at a steady rate. */
  class Gamepad {
    constructor() {
      /** @type {{ [name: string]: boolean | number }} */
      this.state = {};
      /** @type {((event: object) => void) | null} */
      this.callback = null;
      this.timer = 0;
      this.closed = false;
      this.look();
    }

    /** @param {(event: object) => void} callback */
    subscribe(callback) {
      this.callback = callback;
    }

    close() {
      this.closed = true;
      clearTimeout(this.timer);
    }

    look() {
      const pad = [...navigator.getGamepads()].find((found) => found);
      pad?.buttons.forEach((button, at) => this.set(`btn${at}`, button.pressed));
      pad?.axes.forEach((value, at) => this.set(`axis${at}`, value));
      if (!this.closed) this.timer = setTimeout(() => this.look(), 1000 / gamepadRate);
    }

    /** @param {string} type @param {boolean | number} value */
    set(type, value) {
      if (this.state[type] === value) return;
      this.state[type] = value;
      this.callback?.({ type, value });
    }
  }

  /** How often gamepads are looked at. @param {number} hertz */
  function setGamepadRate(hertz) {
    gamepadRate = hertz;
  }

  /** Messages to and from a WebSocket. */
  class Websocket {
    /** @param {string} url */
    constructor(url) {
      /** @type {((message: any) => void) | null} */
      this.callback = null;
      /** @type {string[]} */
      this.unsent = [];
      this.queue = new Queue();
      this.ws = new WebSocket(url);
      this.ws.onmessage = ({ data }) => (this.callback ? this.callback(data) : this.queue.put_nowait(data));
      this.ws.onopen = () => {
        for (const text of this.unsent.splice(0)) this.ws.send(text);
      };
      this.put_nowait = this.put_nowait.bind(this);
    }

    /** @param {(message: any) => void} callback */
    subscribe(callback) {
      this.callback = callback;
    }

    /** The next message, where nobody has subscribed. */
    get() {
      return this.queue.get();
    }

    /** @param {any} message */
    put_nowait(message) {
      const text = typeof message === "string" ? message : JSON.stringify(message);
      if (this.ws.readyState === WebSocket.OPEN) this.ws.send(text);
      else this.unsent.push(text);
    }

    async close() {
      this.ws.close();
    }
  }

  return { RTCConnection, Queue, Keyboard, Gamepad, Websocket, setGamepadRate };
});
