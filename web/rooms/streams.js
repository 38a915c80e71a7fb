// The streams of a session: its own, and those of others.
import { kindOf } from "./kind.js";
import { Recordable } from "./recording.js";

const KINDS = ["audio", "video"];
/** `{ audio: true }`, or both where none is named. */
const chosen = (which = {}) => (KINDS.some((kind) => which[kind]) ? KINDS.filter((kind) => which[kind]) : KINDS);

/** A stream that this side sends. */
export class LocalStream extends Recordable {
  #streams;
  #muted = new Set();
  origin = "local";

  constructor(streams, stream, { session, extra, to = null, oneway = false } = {}) {
    super();
    this.#streams = streams;
    this.stream = stream;
    this.id = stream.id;
    this.own = session ?? null;
    this.extra = extra;
    this.to = to; // one user's id, or null for all
    this.oneway = oneway;
  }

  /** What it is: `{ audio, video, screen }`. */
  get session() { return this.own?.screen ? { ...kindOf(this.stream), ...this.own } : kindOf(this.stream); }
  get muted() { return [...this.#muted]; }
  toJSON() { return { id: this.id, session: this.session, ...(this.extra !== undefined && { extra: this.extra }) }; }

  mute(which) { this.#set(chosen(which), true); }
  unmute(which) { this.#set(chosen(which), false); }

  #set(kinds, on) {
    for (const kind of kinds) on ? this.#muted.add(kind) : this.#muted.delete(kind);
    this.apply();
    this.#streams.host.muted(this, kinds, on);
  }

  /** Tracks that came since are muted as the others. */
  apply() { for (const track of this.stream.getTracks()) track.enabled = !this.#muted.has(track.kind); }

  /** Ends it for all. */
  stop() {
    this.#streams.remove(this);
    for (const track of this.stream.getTracks()) track.stop();
  }
}

/** A stream of another user. */
export class RemoteStream extends Recordable {
  #host;
  #dropped = new Set();
  #refused = new Set(); // what this session takes of nobody
  #asked = new Set(); // what the sender was asked not to send
  origin = "remote";
  /** What its sender has muted. */
  mutedBySender = new Set();

  /** `host` has `pause(id, kinds, on)` and `want(height)`. */
  constructor(host, stream, userid, room) {
    super();
    this.#host = host;
    this.stream = stream;
    this.id = stream.id;
    this.userid = userid;
    this.room = room;
    this.told = {};
  }

  get session() { return this.told.session ?? kindOf(this.stream); }
  get extra() { return this.told.extra; }
  get muted() { return [...new Set([...this.#dropped, ...this.#refused, ...this.mutedBySender])]; }
  get dropped() { return [...this.#dropped]; }

  /** Drops these kinds here, and asks the sender not to send them. */
  mute(which) { this.#set(chosen(which), true); }
  unmute(which) { this.#set(chosen(which), false); }

  #set(kinds, on) {
    for (const kind of kinds) on ? this.#dropped.add(kind) : this.#dropped.delete(kind);
    this.#follow();
  }

  /** These come once they are unmuted. */
  begin(kinds) {
    this.#dropped = new Set(kinds);
    this.#asked = new Set(kinds);
  }

  /** What a session takes: `{ audio, video, screen }`, where false is not. */
  take(incoming) {
    this.#refused = new Set(this.session.screen && incoming.screen === false ? KINDS : KINDS.filter((kind) => incoming[kind] === false && !this.session.screen));
    this.#follow();
  }

  #follow() {
    const off = new Set([...this.#dropped, ...this.#refused]);
    const [more, less] = [KINDS.filter((kind) => off.has(kind) && !this.#asked.has(kind)), KINDS.filter((kind) => !off.has(kind) && this.#asked.has(kind))];
    this.#asked = off;
    this.apply();
    if (more.length) this.#host.pause(this.id, more, true);
    if (less.length) this.#host.pause(this.id, less, false);
  }

  /** Tracks that came since are dropped as the others. */
  apply() { for (const track of this.stream.getTracks()) track.enabled = !this.#asked.has(track.kind); }

  stop() { this.mute(); }

  /** How high its picture is shown, in pixels: by a hub comes the smallest that is enough. */
  want(height) { this.#host.want(height); }
}

/** All streams of a session, by id. */
export class Streams {
  #own = new Map();

  /** `host` has `changed()`, `muted(stream, kinds, on)` and `remote()`, the streams of others. */
  constructor(host) { this.host = host; }

  get own() { return [...this.#own.values()]; }
  get all() { return [...this.own, ...this.host.remote()]; }
  get(id) { return this.#own.get(id) ?? this.host.remote().find((one) => one.id === id) ?? null; }

  add(stream, options) {
    const local = this.#own.get(stream.id) ?? new LocalStream(this, stream, options);
    this.#own.set(stream.id, local);
    this.host.changed(local);
    return local;
  }

  /** Its tracks are others now. */
  follow(stream) {
    this.#own.get(stream.id)?.apply();
    this.host.changed();
  }

  remove(which) {
    const id = typeof which === "string" ? which : which.id;
    const local = this.#own.get(id);
    if (local) this.#own.delete(id);
    this.host.changed();
    return local ?? null;
  }

  /** `{ type: "local" | "remote", audio, video }`; without a type, all. */
  mute({ type, ...which } = {}) { for (const one of this.#of(type)) one.mute(which); }
  unmute({ type, ...which } = {}) { for (const one of this.#of(type)) one.unmute(which); }
  #of(type) { return this.all.filter(({ origin }) => !type || type === origin); }
}
