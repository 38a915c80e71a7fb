// Types of rooms.js: sessions of many over the Object RTC API, in a browser.
import type { Kind, RTCConnection, RTCIceServer, RTCStats } from "./ortc.js";

export type Role = "admin" | "guest" | "participant" | "inspector";
export type Direction = "many-to-many" | "one-to-many" | "one-to-one" | "one-way";

/** What a session carries, and who sends to whom; two words that differ about that are refused. */
export interface SessionKind {
  audio?: boolean;
  video?: boolean;
  data?: boolean;
  screen?: boolean;
  oneway?: boolean;
  broadcast?: boolean;
  "many-to-many"?: boolean;
  direction?: Direction;
}

export interface RoomPolicy {
  /** The most users beside the one who opened the room. */
  maxParticipantsAllowed: number;
  closeWhenOwnerLeaves: boolean;
  onePresenter: boolean;
  hidden: boolean;
  topology: "auto" | "mesh" | "hub";
  meshUpTo: number;
  /** The members prove to each other that they know a secret which the server does not. */
  secret: boolean;
  /** The server records the room, where it keeps recordings of its own. */
  record?: boolean;
  /** Milliseconds since 1970. */
  closeAt?: number;
  /** Parts of a page that are wanted or, where `false` or `{ active: false }`, not. */
  features?: Record<string, boolean | { active?: boolean }>;
}

export interface User {
  userid: string;
  role: Role;
  extra?: unknown;
}

/** A room as those who watch are told. */
export interface RoomInfo {
  sessionid: string;
  /** The owner. */
  userid: string;
  extra?: unknown;
  session: SessionKind;
  users: number;
  places: number;
  password?: boolean;
}

export interface Bandwidth {
  /** kbit/s; null is no limit. */
  audio?: number | null;
  video?: number | null;
}

export interface SessionOptions {
  /** What the user tells of itself. */
  extra?: unknown;
  /** A wish; the server gives one otherwise. */
  userid?: string;
  /** A signed token that the server's operator or an invitation gave. */
  token?: string;
  role?: Role;
  /** What an earlier session's `resume` was. */
  resume?: string;
  /** For all rooms that have none of their own. */
  secret?: string;
  /** With `resume`: rooms that the earlier session was in, to be left. */
  leave?: string[];
  /** Besides the server's. */
  iceServers?: RTCIceServer[];
  /** With both false only relayed candidates are used. */
  candidates?: { host?: boolean; reflexive?: boolean; relay?: boolean };
  /** 50 for audio and 256 for video unless told; for the largest picture of a camera that goes to a hub, 900. */
  bandwidth?: Bandwidth;
  /** Whether a camera goes to a hub in three sizes: in Chromium unless told. Firefox can, with a processor to spare. */
  simulcast?: boolean;
  /** What is taken from others; false is neither taken nor sent to this side. */
  incoming?: Incoming;
}

export interface Incoming {
  audio?: boolean;
  /** `asked`: what comes by a hub has no pictures, those of screens neither, until its stream is unmuted. */
  video?: boolean | "asked";
  /** Streams that are screens, all of them. */
  screen?: boolean;
  data?: boolean;
}

export interface EnterOptions {
  password?: string;
  /** Which the server does not know: proven to each peer before anything of a connection is told. */
  secret?: string;
  /** Of who opens the room. */
  session?: SessionKind;
  policy?: Partial<RoomPolicy>;
}

/** A way to a server. */
export interface Signaller {
  listen(hear: (event: { message?: any; lost?: string; ended?: RoomsError }) => void): void;
  /** The entry's `seq` is the number that answers name; it may change after a return. */
  send(message: object): { seq: number };
  close(): void;
  extra: unknown;
}

/** Over a WebSocket, which comes back by itself. */
export class WebSocketSignaller implements Signaller {
  constructor(url: string, hello?: { extra?: unknown; userid?: string; token?: string; role?: Role; resume?: string });
  listen: Signaller["listen"];
  send: Signaller["send"];
  close(): void;
  set extra(extra: unknown);
}

/** Between the tabs of one browser, without a server. */
export class BroadcastHub implements Signaller {
  constructor(name?: string, hello?: { extra?: unknown; userid?: string; role?: Role });
  static readonly supported: boolean;
  listen: Signaller["listen"];
  send: Signaller["send"];
  close(): void;
  set extra(extra: unknown);
}

/** What is not done; `code` is the server's word, e.g. roomFull, badPassword, noSuchRoom. */
export class RoomsError extends Error {
  constructor(code: string, message: string);
  code: string;
}

export interface Kinds {
  audio?: boolean;
  video?: boolean;
}

/** What a browser makes of a stream. */
export interface Recording extends EventTarget {
  readonly running: boolean;
  readonly bytes: number;
  /** s */
  readonly duration: number;
  readonly recordingType: string;
  readonly result: Promise<{ blob: Blob; recordingType: string; duration: number }>;
  stop(): Recording["result"];
}

interface Recordable {
  readonly recording: Recording | null;
  /** Both kinds unless one is named. */
  startRecording(which?: Kinds): Recording;
  stopRecording(done?: (blob: Blob, result: { blob: Blob; recordingType: string; duration: number }) => void): Promise<{ blob: Blob; recordingType: string; duration: number } | null>;
}

export interface LocalStream extends Recordable {
  readonly origin: "local";
  readonly id: string;
  readonly stream: MediaStream;
  readonly session: SessionKind;
  readonly extra?: unknown;
  readonly muted: Kind[];
  mute(kinds?: Kinds): void;
  unmute(kinds?: Kinds): void;
  /** Ends it for all, and its tracks. */
  stop(): void;
}

export interface RemoteStream extends Recordable {
  readonly origin: "remote";
  readonly id: string;
  readonly stream: MediaStream;
  readonly session: SessionKind;
  readonly extra?: unknown;
  readonly userid: string;
  readonly room: string;
  /** By its sender or here. */
  readonly muted: Kind[];
  /** Drops it here, and asks the sender not to send. */
  mute(kinds?: Kinds): void;
  unmute(kinds?: Kinds): void;
  stop(): void;
  /** How high its picture is shown, in pixels: of one that comes by the server the smallest encoding is sent that is enough. */
  want(height: number): void;
}

export interface Streams {
  readonly own: LocalStream[];
  readonly all: (LocalStream | RemoteStream)[];
  get(id: string): LocalStream | RemoteStream | null;
  /** After tracks were added to an own stream or removed from it. */
  follow(stream: MediaStream): void;
  mute(which?: Kinds & { type?: "local" | "remote" }): void;
  unmute(which?: Kinds & { type?: "local" | "remote" }): void;
}

export interface Path {
  /** `hub`: by the server, which passes on what all send. */
  kind: "direct" | "relayed" | "hub" | null;
  local: string | null;
  remote: string | null;
  protocol: string | null;
  /** ms */
  roundTrip: number | null;
  /** kbit/s */
  rateIn: number;
  rateOut: number;
  /** How loud the user was of late, 0 to 1. */
  level: number;
  lost: number;
  received: number;
  rows: RTCStats["inboundRtp"];
  sent: RTCStats["outboundRtp"];
}

/** One other user of a room. */
export interface Peer {
  readonly user: User;
  readonly userid: string;
  readonly room: string;
  readonly connection: RTCConnection | null;
  readonly streams: RemoteStream[];
  readonly state: string;
  /** ms that a message takes; null until measured. */
  readonly latency: number | null;
  /** Whether it is reached by the server: `connection` is the one that all come by. */
  readonly byHub?: boolean;
}

export interface Room {
  readonly name: string;
  readonly epoch: number;
  readonly users: Map<string, User>;
  readonly others: User[];
  readonly owner: string;
  readonly owned: boolean;
  readonly governed: boolean;
  readonly session: SessionKind;
  readonly direction: Direction;
  readonly policy: RoomPolicy;
  readonly presenter: string | null;
  readonly places: number;
  readonly peers: Peer[];
  peer(userid: string): Peer | null;
}

export type CallStatus = "new" | "ringing" | "accepted" | "rejected" | "busy" | "cancelled" | "timeout" | "gone" | "refused";

export interface Call {
  readonly id: string;
  readonly userid: string;
  readonly user: User | null;
  readonly session: SessionKind;
  /** Whether this side asked. */
  readonly mine: boolean;
  readonly status: CallStatus;
  /** Why the server refused it. */
  readonly reason: string | null;
  readonly room: string;
  /** Resolves with the status that ends the ringing. */
  readonly settled: Promise<CallStatus>;
  accept(): void;
  reject(): void;
  busy(): void;
  /** Asks no longer, or ends a call that was accepted. */
  cancel(): void;
  /** The room of an accepted call, where both meet. */
  enter(): Promise<Room>;
}

export type FileCode =
  | "rejected" | "cancelled" | "lost" | "diskFull" | "quota" | "tooMany" | "tooManyOffers" | "permission" | "readOnly" | "notFound"
  | "notAFile" | "exists" | "sourceChanged" | "corrupt" | "malformed" | "io" | "other";

export interface FileError extends Error {
  readonly code: FileCode;
  /** Whether the other side said so. */
  readonly remote: boolean;
}

/** Files that go to one user or come from one; the event `change` tells of each step. */
export interface Transfer extends EventTarget {
  /** The same at both ends. */
  readonly id: string;
  /** An offer with the key of an earlier one is gone on with. */
  readonly key: string;
  readonly way: "in" | "out";
  readonly userid: string;
  readonly room: string;
  /** Of one that comes: what its sender tells of itself, also where that one has gone and the room's hub has it. */
  readonly from?: unknown;
  readonly title: string;
  readonly entries: { path: string[]; size: number; modified?: number; folder?: boolean }[];
  /** `lost` as its error's code: it goes on by itself when the connection is back. */
  readonly state: "offered" | "running" | "paused" | "done" | "failed";
  readonly error: FileError | null;
  /** Bytes; `kept` of them were there before. */
  readonly bytes: number;
  readonly total: number;
  readonly kept: number;
  readonly files: number;
  readonly filesDone: number;
  /** Bytes a second, and seconds that remain. */
  readonly rate: number;
  readonly remaining: number | null;
  readonly paused: { readonly here: boolean; readonly there: boolean };
  /** Of one that is sent: why the room's hub, which keeps files, does not keep it; it goes from here to each who takes it. */
  readonly unkept?: FileError | null;
  /** By number in `entries`: hash, or why it did not come. */
  readonly results: Map<number, { name: string; hash?: string; error?: FileError }>;
  /** Resolves with this, however it ended. */
  readonly ended: Promise<Transfer>;
  /** Of an offer that waits for an answer. */
  take?: (() => Promise<void>) | null;
  reject?(why?: string): void;
  pause(on?: boolean): void;
  resume(): void;
  /** What is not complete is thrown away at the receiver. */
  cancel(): void;
  /** What came: `keep.file(number)` gives a File. */
  readonly keep?: { file(number: number): Promise<File | null>; remove(): Promise<void> };
}

export type FileItem = File | { path: string[]; file: File } | { path: string[]; folder: true };

type Of<Fields> = Event & Fields;
type InRoom<Fields = {}> = Event & { room: string; userid: string; extra?: any } & Fields;
export type LeftReason = "left" | "lost" | "ejected";
export type ClosedReason = "left" | "ejected" | "banned" | "closed" | "ownerLeft" | "timeUp" | "replaced";

export interface SessionEventMap {
  /** The server is gone for now; connections go on. */
  lost: Of<{ reason: string }>;
  resumed: Of<{ resumed: boolean }>;
  /** For good. */
  ended: Of<{ error: RoomsError }>;
  goodbye: Of<{ message: string }>;
  rooms: Of<{ rooms: RoomInfo[] }>;
  entered: Of<{ room: string }>;
  closed: Of<{ room: string; reason: ClosedReason | string; message?: string }>;
  joined: InRoom<{ user: User }>;
  left: InRoom<{ user: User; reason: LeftReason }>;
  owner: Of<{ room: string; userid: string }>;
  extra: InRoom;
  policy: Of<{ room: string; policy: RoomPolicy }>;
  presenter: Of<{ room: string; userid: string | null }>;
  said: InRoom<{ direct: boolean; body: any }>;
  callRequest: Of<{ call: Call; userid: string; extra?: any; session: SessionKind }>;
  callStatus: Of<{ call: Call; userid: string; status: CallStatus }>;
  stream: Of<{ stream: LocalStream | RemoteStream; streamid: string; origin: "local" | "remote"; session: SessionKind; userid: string; extra?: any; room?: string }>;
  streamEnded: Of<{ stream: LocalStream | RemoteStream; streamid: string; origin: "local" | "remote"; userid: string; reason: string; room?: string }>;
  mute: Of<{ stream: LocalStream | RemoteStream; kinds: Kind[]; by: "sender" | "receiver"; userid: string }>;
  unmute: Of<{ stream: LocalStream | RemoteStream; kinds: Kind[]; by: "sender" | "receiver"; userid: string }>;
  /** Words go both ways now. */
  open: InRoom;
  close: InRoom;
  message: InRoom<{ data: any; latency: number | null }>;
  action: InRoom<{ name: string; body: any; latency: number | null }>;
  peerState: InRoom<{ state: string; reason: string | null }>;
  unreached: InRoom;
  path: Of<{ room: string; userid: string; path: Path }>;
  /** By the hub: who spoke last, that one first, and those of them who speak now. */
  speakers: Of<{ room: string; order: string[]; speaking: string[] }>;
  /** No connection: one of the two does not know the secret, or the server has altered what they say. */
  impostor: InRoom<{ reason: string }>;
  /** To be answered by `transfer.take()` or `transfer.reject()`. */
  fileOffer: InRoom<{ transfer: Transfer }>;
  fileStart: InRoom<{ transfer: Transfer }>;
  fileProgress: InRoom<{ transfer: Transfer }>;
  fileReceived: InRoom<{ transfer: Transfer; file: number; name: string }>;
  fileSent: InRoom<{ transfer: Transfer }>;
  fileEnd: InRoom<{ transfer: Transfer; error: FileError | null }>;
  error: Of<{ error: Error; room?: string; userid?: string }>;
  /** Each message that crosses to the server and from it. */
  signal: Of<{ way: "in" | "out"; message: object }>;
}

type SessionHandlers = { [Name in keyof SessionEventMap as `on${Name}`]: ((event: SessionEventMap[Name]) => void) | null };
export interface Session extends SessionHandlers {}

/** One way to a server, and the rooms that this side is in. Room parameters are needed only in several rooms. */
export class Session extends EventTarget {
  private constructor();
  static connect(url: string, options?: SessionOptions): Promise<Session>;
  static with(signaller: Signaller, options?: SessionOptions): Promise<Session>;
  addEventListener<Name extends keyof SessionEventMap>(
    name: Name, listener: (event: SessionEventMap[Name]) => void, options?: AddEventListenerOptions,
  ): void;
  addEventListener(name: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;

  readonly userid: string;
  readonly role: Role;
  extra: unknown;
  readonly resume: string;
  readonly online: boolean;
  readonly limits: { messageBytes?: number; messagesPerSecond?: number; rooms?: number; graceMs?: number };
  readonly rooms: Room[];
  readonly peers: Peer[];
  readonly lobby: Map<string, RoomInfo>;
  readonly streams: Streams;
  readonly calls: { readonly all: Call[] };
  readonly paths: { of(peer: Peer): Path | null };

  room(name?: string): Room | null;
  peer(userid: string, room?: string): Peer | null;
  open(room: string | RoomInfo, options?: EnterOptions): Promise<Room>;
  join(room: string | RoomInfo, options?: EnterOptions): Promise<Room>;
  openOrJoin(room: string | RoomInfo, options?: EnterOptions): Promise<Room>;
  rejoin(room: string): Promise<Room>;
  leave(room?: string): Promise<void>;
  /** For all: the owner and admins may. */
  close(room?: string): Promise<void>;
  eject(userid: string, options?: { ban?: boolean; room?: string }): void;
  handOver(userid: string, room?: string): void;
  setPolicy(policy: Partial<RoomPolicy>, room?: string): void;
  present(on: boolean, room?: string): void;
  setExtra(extra: unknown): void;
  watchRooms(channel?: string): void;
  unwatchRooms(): void;
  call(userid: string, session?: SessionKind): Call;

  addStream(stream: MediaStream, options?: { session?: SessionKind; extra?: unknown; to?: string }): LocalStream;
  removeStream(stream: string | { id: string }): void;
  setBandwidth(bandwidth: Bandwidth): void;
  setIncoming(incoming: Incoming): void;
  /** Text, JSON, or bytes, which come as an ArrayBuffer; at most 16 MiB. */
  send(data: unknown, options?: { to?: string; room?: string }): void;
  readonly files: { readonly transfers: Transfer[]; forget(key: string): void };
  /** `later`: to who comes later, too, where the room's hub keeps files also after this one has left. `key`: of an earlier offer of the same files. */
  sendFiles(items: Iterable<FileItem>, options?: { to?: string; room?: string; later?: boolean; key?: string }): Transfer[];
  /** With `lossy` it goes at once or not at all. */
  action(name: string, body?: unknown, options?: { to?: string; room?: string; lossy?: boolean }): void;
  action(name: string, body: unknown, options: { to: string; answer: true; room?: string }): Promise<any>;
  handle(name: string, handler: (action: { name: string; body: any; userid: string; extra?: any; room: string; latency: number | null }) => unknown): void;
  end(): void;
}
