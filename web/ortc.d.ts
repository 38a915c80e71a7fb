// Types of ortc.js: the Object RTC API of September 2013 in a browser.

export type Kind = "audio" | "video";

/** A codec and its payload id. Accepted on input as well: payloadId, payloadType, hzRate, channels. */
export interface RTCCodec {
  "payload-id": number;
  /** opus, ulaw, alaw, g722, dtmf, vp8, vp9, h264, av1, rtx, ...; registered names are accepted. */
  name: string;
  kind?: string;
  clockRate?: number;
  numChannels?: number;
  params?: { name: string; value?: string }[];
}

/** Limits of one encoding; entry i belongs to encoding i. Two or more with `rid` are simulcast. */
export interface RTCMediaAttributes {
  videoMaxWidth?: number;
  videoMaxHeight?: number;
  /** bit/s */
  maxBitrate?: number;
  maxFramerate?: number;
  /** Divides width and height; at least 1. */
  resolutionScale?: number;
  active?: boolean;
  rid?: string;
  scalabilityMode?: string;
}

export interface RTCHeaderExtension {
  uri: string;
  id: number;
}

/** What signalling carries for each track. */
export class RTCTrackDescription {
  constructor(raw: unknown);
  kind: Kind;
  ssrc?: string;
  msid: string[];
  codecs: RTCCodec[];
  mediaAttributes?: RTCMediaAttributes[];
  rtpExtHeaders?: Record<string, string>;
  headerExtensions?: RTCHeaderExtension[];
  encodings?: { rid?: string; ssrc?: string; maxBitrate?: number; resolutionScale?: number }[];
  rtx?: { ssrc: string };
  muxId?: string;
  cname?: string;
}

/** A local or remote ICE candidate. */
export class RTCIceCandidateDescription {
  constructor(raw: unknown);
  foundation: string;
  component: number;
  transport: string;
  priority: number;
  connectionAddress: string;
  connectionPort: number;
  type: "host" | "srflx" | "prflx" | "relay" | string;
  relAddress?: string;
  relPort?: number;
  tcpType?: string;
  usernameFrag?: string;
  /** On the first candidate only, for signalling like the draft's example, which carries no fingerprint. */
  dtls?: { fingerprint: Record<string, string> };
}

export interface RTCConnectionSide {
  ice: { usernameFrag: string | null; password: string | null };
  dtls: { fingerprint: Record<string, string | string[]> | null; role?: "auto" | "client" | "server" };
  /** The side is a lite ICE agent (RFC 8445 section 2.5): it answers checks and sends none. */
  iceLite?: boolean | null;
  /** Bytes of the largest message that the side takes, 0 for any; `send` of a larger one throws a TypeError. */
  sctp?: { port?: number | null; maxMessageSize?: number | null } | null;
}

export interface RTCIceServer {
  url?: string | string[];
  urls?: string | string[];
  username?: string;
  credential?: string;
}

export interface RTCConnectionOptions {
  iceServers?: RTCIceServer | RTCIceServer[] | null;
  /** Connections with the same socket have the same certificate; a browser shares no more than that. */
  socket?: RTCSocket | null;
  iceTransportPolicy?: "all" | "relay";
}

/** Opaque: the local end of a connection. */
export class RTCSocket {
  private constructor();
}

export type RTCConnectionState = "new" | "searching" | "connected" | "halted" | "closed";
/** ConsentLost and IceFailed may pass; the others are the end. */
export type DisconnectReason = "ConsentLost" | "IceFailed" | "DtlsFailed" | "RemoteClosed" | "closed";

export interface RTCConnectionEventMap {
  candidate: Event & { candidate: RTCIceCandidateDescription };
  endofcandidates: Event;
  activecandidate: Event & { localCandidate: RTCIceCandidateDescription; remoteCandidate: RTCIceCandidateDescription };
  connected: Event;
  disconnected: Event & { reason: DisconnectReason };
  /** The stream's own events `connected` and `disconnected` (and its tracks') follow the media. */
  addstream: Event & { stream: MediaStream };
  removestream: Event & { stream: MediaStream };
  /** Never comes: browsers keep tracks that nobody described to themselves. */
  unknowntrack: Event;
  datachannel: Event & { channel: RTCDataChannel };
  statechange: Event & { state: RTCConnectionState };
  /** After `restart`: signal `local` again. */
  localchange: Event & { local: RTCConnectionSide };
  error: Event & { error: DOMException };
}

type Handlers<Map> = { [Name in keyof Map as `on${string & Name}`]: ((event: Map[Name]) => void) | null };

export interface RTCTransportStats {
  state: RTCConnectionState;
  iceRole: string | null;
  dtlsRole: string | null;
  dtlsState: string | null;
  dtlsCipher: string | null;
  srtpCipher: string | null;
  /** Seconds. */
  currentRoundTripTime: number | null;
  availableOutgoingBitrate: number | null;
  path: { local: string; remote: string; protocol: string; address: string | null; port: number | null } | null;
}

export interface RTCStats {
  transport: RTCTransportStats;
  inboundRtp: {
    ssrc: number; kind: Kind; codec: string | null; mid: string | null;
    packetsReceived: number; bytesReceived: number; packetsLost: number; jitter: number;
    framesDecoded: number | null; framesPerSecond: number | null; frameWidth: number | null; frameHeight: number | null;
    totalAudioEnergy: number | null; totalSamplesReceived: number | null; nackCount: number; pliCount: number;
    concealedSamples: number | null; fecPacketsReceived: number;
  }[];
  outboundRtp: {
    ssrc: number; kind: Kind; codec: string | null; rid: string | null;
    packetsSent: number; bytesSent: number; framesEncoded: number | null; framesPerSecond: number | null;
    frameWidth: number | null; frameHeight: number | null; nackCount: number; pliCount: number;
    retransmittedPacketsSent: number; remotePacketsLost: number | null; roundTripTime: number | null;
  }[];
}

export interface RTCTrackFilter {
  mediaStream?: string | null;
  kind?: Kind | null;
}

export interface RTCConnection extends Handlers<RTCConnectionEventMap> {}

/** One connection to one peer. Descriptions may be signalled in any order and again at any time. */
export class RTCConnection extends EventTarget {
  constructor(options?: RTCConnectionOptions | null);
  addEventListener<Name extends keyof RTCConnectionEventMap>(
    name: Name, listener: (event: RTCConnectionEventMap[Name]) => void, options?: AddEventListenerOptions,
  ): void;

  /** Resolves once `local` is there. Browsers need a moment; two connections at a time are prepared. */
  readonly ready: Promise<this>;
  /** Throws InvalidStateError before `ready`. */
  readonly local: RTCConnectionSide;
  get remote(): RTCConnectionSide;
  set remote(side: RTCConnectionSide | unknown);
  /** The peer's side: before `connect`, and again after the peer has restarted ICE. */
  setRemote(side: RTCConnectionSide | unknown): void;
  getLocalSocket(): RTCSocket;
  setLocalCandidate(candidate: RTCIceCandidateDescription): void;
  setRemoteCandidate(candidate: RTCIceCandidateDescription | unknown): void;
  endOfRemoteCandidates(): void;
  connect(): void;
  /** The same as `restart`: browsers gather anew with new credentials only. */
  update(): Promise<RTCConnectionSide>;
  restart(): Promise<RTCConnectionSide>;
  /** The tracks that are new; called again for a stream, those that were added to it since. */
  addStream(stream: MediaStream, autostart?: boolean | null): RTCTrack[];
  removeStream(stream: MediaStream): boolean;
  track(source: MediaStreamTrack): RTCTrack | null;
  tracks(filter?: RTCTrackFilter | null): RTCTrack[];
  /** Ids of the streams that are sent. */
  getSendingStreams(): string[];
  getReceivingStreams(): MediaStream[];
  /** The SSRCs of the tracks of a received stream, as `stats` has them. */
  sources(stream: MediaStream): string[];
  /** Whether something of a received track is there to be shown or heard: of a picture, one was decoded lately. */
  isConnected(track: MediaStreamTrack): boolean;
  /** Resolves with the browser's track; an error in the description itself is thrown at once. */
  receiveTrack(description: RTCTrackDescription | unknown): Promise<MediaStreamTrack>;
  stopReceiving(ssrcOrTrack: string | number | MediaStreamTrack): boolean;
  addDtmfHandler(dtmf?: DTMFMediaStreamTrack, stream?: MediaStream | null): DTMFMediaStreamTrack;
  /** Before the connection is agreed, an object with the members of an RTCDataChannel that stands for one. */
  createDataChannel(label?: string, init?: RTCDataChannelInit): RTCDataChannel;
  close(): void;

  readonly state: RTCConnectionState;
  readonly reason: DisconnectReason | null;
  /** Rejects with OperationError when nobody was reached (IceFailed), until `restart`; with InvalidStateError when closed. */
  connected(): Promise<void>;
  stats(): Promise<RTCStats>;
  getStats(): Promise<RTCStatsReport>;
}

/** How one track is sent on one connection. After a change, signal `getDescription()` again. */
export class RTCTrack {
  private constructor();
  readonly source: MediaStreamTrack;
  readonly kind: Kind;
  readonly ssrc: string | null;
  readonly started: boolean;
  readonly sender: RTCRtpSender;
  /** Two audio and two video tracks are described at once; of more, await this first. */
  readonly ready: Promise<RTCTrack>;
  msid: string[];
  /** In order of preference. */
  codecs: RTCCodec[];
  mediaAttributes: RTCMediaAttributes[] | null;
  /** Signalled only; pages cannot put header extensions into packets. */
  rtpExtHeaders: Record<string, string> | null;
  /** Puts this codec first. "red" (Chromium): opus packets that each carry the one before them. */
  prefer(codecName: string): void;
  getDescription(): RTCTrackDescription;
  toJSON(): RTCTrackDescription;
  start(): void;
  stop(): void;
  replaceSource(source: MediaStreamTrack): Promise<void>;
  remove(): void;
}

export interface DTMFTone {
  digits: string;
  /** ms, 40 to 6000; 100 unless told. */
  duration?: number;
  /** ms, 30 to 6000; 70 unless told. */
  interToneGap?: number;
}

export interface DTMFEventMap {
  tonestart: Event & { digit: string };
  tonestop: Event & { digit: string };
  tone: Event & { tone: DTMFTone };
}

export interface DTMFMediaStreamTrack extends Handlers<DTMFEventMap> {}

/** Digits, sent with an audio track: see `RTCConnection.addDtmfHandler`. */
export class DTMFMediaStreamTrack extends EventTarget {
  constructor();
  readonly kind: "dtmf";
  readonly id: string;
  readonly readyState: "live";
  play(tones: string | DTMFTone | DTMFTone[]): void;
  /** Drops what waits; the tone that sounds ends by itself. */
  flush(): void;
  /** A browser must know a tone's length beforehand, so it sounds at `tonestop`, as long as the key was held. */
  tonestart(digit: string): void;
  tonestop(): void;
}

export interface RTCCapabilities {
  audioCodecs: RTCCodec[];
  videoCodecs: RTCCodec[];
  headerExtensions: RTCHeaderExtension[];
}

export function getRTCCapabilities(): RTCCapabilities;
export function getRTCCodec(name: string): RTCCodec | null;

/** Puts everything where the draft has it, and brings back what pages of 2013 relied on. */
export function install(scope?: typeof globalThis, options?: { page?: boolean }): void;
