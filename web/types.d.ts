/**
 * The shapes the modules of the player hand to each other, and browser interfaces TypeScript does not know yet.
 * Types only: nothing here is loaded by a browser.
 */

/** A way media reaches the picture. */
type Transport = "webrtc" | "webcodecs" | "mse" | "mjpeg";

/** What the viewer is told: see docs/ref/player.md. */
type PlayerState = "paused" | "starting" | "waiting" | "live" | "reconnecting" | "busy" | "off" | "missing" | "denied" | "foreign" | "unsupported";

/** One track, as the `configuration` message and the initialization segment describe it. */
interface TrackInfo {
  id: number;
  kind: "video" | "audio";
  codec: string;
  description?: string | null;
  width?: number;
  height?: number;
  sampleRate?: number;
  channels?: number;
}

/** Why one connection ended. `unsupported` and `decode` are the transport's fault, the rest the network's. */
interface Failure {
  kind: "unsupported" | "decode" | "closed" | "stalled";
  message: string;
  code?: number;
}

/** What a connection tells the session that made it. */
interface PlayerHost {
  /** A picture is on its surface (or sound is playing, for a stream without video). Called once. */
  shown(): void;
  /** The tracks are known or have changed. */
  tracks(tracks: TrackInfo[]): void;
  /** Media arrived. */
  media(): void;
  /** It cannot follow the stream any further and plays out what it has; a fresh connection is wanted. */
  outgrown(): void;
  /** It is over; called once, never after `close`. */
  failed(failure: Failure): void;
  /** The browser forbids sound until the viewer touches the page. */
  soundBlocked(): void;
}

/** Figures of the last second. `null` is "not known". */
interface Figures {
  frames: number;
  dropped: number;
  bytes: number;
  width: number;
  height: number;
  latency: number | null;
  buffered: number | null;
  lag: number | null;
  rtt: number | null;
  sync: number | null;
  level: number | null;
  clock: ServerClockLike;
}

interface ServerClockLike {
  offset: number | null;
}

/** One connection with one transport: it owns a socket, a decoder and a surface. */
interface Connection {
  readonly transport: Transport;
  readonly surface: HTMLCanvasElement | HTMLVideoElement;
  close(): void;
  jumpToLive(): void;
  setSound(muted: boolean, volume: number): void;
  setHidden(hidden: boolean): void;
  figures(): Figures;
  /** Calls back once, when the next picture has been put on the surface. */
  nextPicture(callback: () => void): void;
}

/** The `stats` event's detail. */
interface Stats {
  transport: Transport;
  videoCodec: string | null;
  audioCodec: string | null;
  width: number;
  height: number;
  fps: number;
  dropped: number;
  bitrate: number;
  latency: number | null;
  latencyFrom: "picture" | "capture" | null;
  buffered: number | null;
  lag: number | null;
  rtt: number | null;
  sync: number | null;
  level: number | null;
}

/** One stream of `GET /api/v1/streams`. */
interface StreamInfo {
  name: string;
  state: "idle" | "starting" | "live" | "reconnecting" | "waiting" | "off";
  reason: string | null;
  /** Why one more viewer would be turned away now. */
  busy?: string | null;
  viewers: number;
  bitrate: number;
  fps: number;
  source: string | null;
  made_from: string | null;
  /** Whether the API can change it, and whoever asks may. */
  changeable: boolean;
  /** What whoever asks may do with it. */
  rights?: ("view" | "publish" | "control" | "admin")[];
  /** Whether a program hears what is said to it, or may come to. */
  drivable?: boolean;
  tracks: {
    kind: string;
    codec: string;
    codec_name: string;
    width?: number;
    height?: number;
    sample_rate?: number;
    channels?: number;
  }[];
}

interface HTMLVideoElement {
  webkitEnterFullscreen?: () => void;
}

// The scope of an AudioWorklet module.
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare const currentTime: number;
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
