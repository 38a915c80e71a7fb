// What is received: the tracks that the peer described, and the streams that they make.
import { emitOn } from "./events.js";
import { fail } from "./tools.js";

const MAX_RECEIVED = 128; // tracks
const SOURCE_TIMEOUT = 10_000; // ms without RTP until a track is disconnected
const LOOKS = 40; // ms

class Receiver {
  constructor(description) {
    this.description = description;
    this.accepted = null; // the last description that the browser took
    this.mid = null;
    this.wanted = true;
    this.dirty = true;
    this.connected = false;
    this.streams = [];
    this.done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.done.catch(() => {});
  }

  is({ kind, ssrc, muxId }) {
    const own = this.description;
    return ssrc ? own.ssrc === ssrc : !own.ssrc && muxId !== undefined && own.muxId === muxId && own.kind === kind;
  }
}

export class Receivers {
  #all = [];
  #streams = new Map();
  #watch = null;
  #names = 0;
  #host;

  /** `host` has `emit`, for the connection's events, and `failed`. */
  constructor(host) {
    this.#host = host;
  }

  get all() { return this.#all; }
  get dirty() { return this.#all.filter((one) => one.dirty); }
  get streams() { return [...this.#streams.values()]; }

  /** The SSRCs of a stream. */
  sources(stream) {
    return this.#all.filter((one) => one.streams.includes(stream) && one.description.ssrc).map((one) => one.description.ssrc);
  }

  isConnected(track) { return this.#all.some((one) => one.connected && one.track === track); }

  want(description) {
    let receiver = this.#all.find((one) => one.wanted && one.is(description));
    if (receiver && receiver.description.kind !== description.kind) {
      throw fail("InvalidAccessError", "the ssrc is in use by a track of another kind");
    }
    if (receiver) {
      receiver.description = description;
      receiver.dirty = true;
    } else if (this.#all.length >= MAX_RECEIVED) {
      throw fail("OperationError", `at most ${MAX_RECEIVED} tracks are received`);
    } else {
      receiver = new Receiver(description);
      this.#all.push(receiver);
    }
    return receiver.done;
  }

  /** Whether there is one: `which` is an ssrc or a track. */
  stop(which) {
    const receiver = this.#all.find((one) => one.wanted && (one.description.ssrc === String(which) || one.track === which));
    if (!receiver) return false;
    receiver.wanted = false;
    receiver.dirty = true;
    return true;
  }

  /** The browser's event `track`. */
  came({ transceiver, track, streams }) {
    const receiver = this.#all.find((one) => one.mid === transceiver.mid && one.mid !== null);
    if (!receiver) return;
    receiver.track = track;
    receiver.transceiver = transceiver;
    receiver.streams = [...streams];
    receiver.resolve(track);
    for (const stream of streams) {
      if (this.#streams.get(stream.id) === stream) continue;
      this.#streams.set(stream.id, stream);
      this.#host.emit("addstream", { stream });
    }
    this.#watch ??= setInterval(() => this.#look(), LOOKS);
  }

  /** The layout of the session with a section for each of these. */
  place(wanted, sections) {
    const layout = [...sections];
    const used = new Set(layout.map((section) => section.mid));
    for (const receiver of wanted) {
      if (!receiver.wanted || used.has(receiver.mid)) continue;
      const { kind, muxId } = receiver.description;
      if (muxId && !used.has(muxId)) receiver.mid = muxId;
      else do receiver.mid = `r${this.#names++}`; while (used.has(receiver.mid));
      used.add(receiver.mid);
      const section = { media: kind, mid: receiver.mid };
      // A section that is no longer used is used again, so that a session does not grow for ever.
      const free = layout.findIndex((one) => one.rejected && one.media === kind);
      if (free >= 0) layout[free] = section;
      else layout.push(section);
    }
    return layout;
  }

  /** What the browser answered to a description. */
  settle(receiver, rejected) {
    receiver.dirty = false;
    if (!receiver.wanted) return this.#forget(receiver);
    if (rejected) return this.refuse(receiver, fail("NotSupportedError", "the browser refuses the track"));
    receiver.accepted = receiver.description;
    if (receiver.track) this.#regroup(receiver);
  }

  refuse(receiver, error) {
    receiver.dirty = false;
    receiver.reject(error);
    if (receiver.accepted) receiver.description = receiver.accepted;
    else this.#all = this.#all.filter((one) => one !== receiver);
    this.#host.failed(error);
  }

  /** The streams of a track whose description came again. */
  #regroup(receiver) {
    const { msid } = receiver.description;
    const before = receiver.streams;
    if (msid.join() === before.map((stream) => stream.id).join()) return;
    receiver.streams = msid.map((id) => this.#streams.get(id)).filter(Boolean);
    this.#dropEmpty(before);
  }

  #forget(receiver) {
    this.#all = this.#all.filter((one) => one !== receiver);
    receiver.reject(fail("AbortError", "no longer received"));
    if (receiver.connected) {
      emitOn(receiver.track, "disconnected");
      for (const stream of receiver.streams) {
        if (!this.#all.some((one) => one.connected && one.streams.includes(stream))) emitOn(stream, "disconnected");
      }
    }
    this.#dropEmpty(receiver.streams);
  }

  #dropEmpty(streams) {
    for (const stream of streams) {
      if (this.#all.some((one) => one.streams.includes(stream)) || this.#streams.get(stream.id) !== stream) continue;
      this.#streams.delete(stream.id);
      this.#host.emit("removestream", { stream });
    }
  }

  // Rows A112 to A116.
  /** Whether RTP comes. */
  #look() {
    const live = (stream) => this.#all.some((one) => one.connected && one.streams.includes(stream));
    for (const receiver of this.#all) {
      if (!receiver.transceiver) continue;
      const newest = Math.max(0, ...receiver.transceiver.receiver.getSynchronizationSources().map((one) => one.timestamp));
      const fresh = newest > 0 && (performance.timeOrigin + performance.now() - newest < SOURCE_TIMEOUT || performance.now() - newest < SOURCE_TIMEOUT);
      if (fresh === receiver.connected) continue;
      const before = receiver.streams.filter(live);
      receiver.connected = fresh;
      // Row G34: the stream's event comes before the track's, and after it at the end.
      if (fresh) for (const stream of receiver.streams) if (!before.includes(stream)) emitOn(stream, "connected");
      emitOn(receiver.track, fresh ? "connected" : "disconnected");
      if (!fresh) for (const stream of before) if (!live(stream)) emitOn(stream, "disconnected");
    }
    if (!this.#all.length) this.#rest();
  }

  #rest() {
    clearInterval(this.#watch);
    this.#watch = null;
  }

  close() {
    this.#rest();
    for (const receiver of this.#all) receiver.reject(fail("AbortError", "the connection is closed"));
  }
}
