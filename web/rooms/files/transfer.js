// One transfer as both sides show it: how far it is, how fast, and how it ended.
import { Target } from "../../ortc/events.js";
import { FileError, lost, malformed, failedMessage, read, said, write } from "./messages.js";

const MEASURE = 3000; // ms over which the speed is taken
const HIGH = 1024 * 1024; // bytes that wait in the browser
const LOW = 256 * 1024;

/** Bytes a second of late. */
class Meter {
  #points = [];

  count(bytes) {
    const now = performance.now();
    this.#points.push([now, bytes]);
    while (this.#points.length > 2 && this.#points[0][0] < now - MEASURE) this.#points.shift();
  }

  get rate() {
    const [first] = this.#points;
    const last = this.#points.at(-1);
    if (!first || last[0] - first[0] < 50 || performance.now() - last[0] > MEASURE) return 0;
    return ((last[1] - first[1]) * 1000) / (last[0] - first[0]);
  }

  clear() { this.#points = []; }
}

/**
 * `state` is `offered`, `running`, `paused`, `done` or `failed`, then with `error`; event `change` tells of each.
 * `way` is `in` or `out`. `bytes` of `total` are there, `kept` of them from before.
 */
export class Transfer extends Target {
  #channel;
  #meter = new Meter();
  #end;
  #taking = Promise.resolve();
  #told = 0;
  state = "offered";
  error = null;
  bytes = 0;
  kept = 0;
  filesDone = 0;
  paused = { here: false, there: false };
  /** Files that came or went, by number; those that did not, with their error. */
  results = new Map();

  constructor(channel, fields) {
    super(["change"]);
    Object.assign(this, fields);
    this.#channel = channel;
    /** Resolves when it has ended, however it did: `error` says. */
    this.ended = new Promise((resolve) => { this.#end = resolve; });
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW;
    channel.onbufferedamountlow = () => this._pump();
    channel.onmessage = ({ data }) => this._later(() => this.#hear(data));
    channel.onclose = () => this._later(() => this._finish(lost()));
    channel.onopen = () => this._later(() => this._opened());
    if (channel.readyState === "open") this._later(() => this._opened());
    else if (channel.readyState === "closed") this._later(() => this._finish(lost()));
  }

  get over() { return this.state === "done" || this.state === "failed"; }
  get rate() { return this.state === "running" ? this.#meter.rate : 0; }
  /** Seconds that remain at this speed; null where nobody can tell. */
  get remaining() { return this.rate > 0 ? (this.total - this.bytes) / this.rate : null; }

  pause(on = true) {
    if (this.over || this.paused.here === on) return;
    this.paused.here = on;
    this._say("pause", { on });
    this._follow();
  }

  resume() { this.pause(false); }

  cancel() {
    if (this.over) return;
    this._say("cancel");
    this._finish(new FileError("cancelled", "cancelled"));
  }

  // -- For the two sides

  get _room() { return this.#channel.readyState === "open" && this.#channel.bufferedAmount < HIGH; }

  _say(name, content) { if (this.#channel.readyState === "open") this.#channel.send(write(name, content)); }
  _send(bytes) { this.#channel.send(bytes); }

  /** One thing after the other. */
  _later(work) { this.#taking = this.#taking.then(() => this.over || work()).catch((error) => this._fail(error)); }

  #hear(data) {
    if (typeof data !== "string") return this._piece(new Uint8Array(data));
    const [name, content] = read(data);
    if (name === "pause") {
      this.paused.there = content.on;
      return this._follow();
    }
    if (name === "cancel") throw new FileError("cancelled", "the other side cancelled it", true);
    if (name === "failed" && content.file == null) throw said(content);
    return this._hear(name, content);
  }

  _follow() {
    if (this.over || this.state === "offered") return;
    this.state = this.paused.here || this.paused.there ? "paused" : "running";
    this.#meter.clear();
    this._changed();
    this._pump();
  }

  _began() {
    this.state = "running";
    this._follow();
  }

  _progress(bytes) {
    this.bytes = Math.min(bytes, this.total);
    this.#meter.count(this.bytes);
    const now = performance.now();
    if (now - this.#told < 100 && this.bytes < this.total) return;
    this.#told = now;
    this._changed();
  }

  _changed() { this._emit("change", {}); }

  /** This side found it. */
  _fail(error) {
    if (this.over) return;
    const known = error instanceof FileError ? error : new FileError("io", String(error.message));
    if (!known.remote && known.code !== "lost") this._say(...failedMessage(known));
    this._finish(known);
  }

  _finish(error = null) {
    if (this.over) return;
    this.state = error ? "failed" : "done";
    this.error = error;
    this.#channel.onmessage = this.#channel.onclose = this.#channel.onbufferedamountlow = null;
    this._over();
    const channel = this.#channel;
    // The last word has to go out first; whoever says `finished` leaves the end to the other.
    setTimeout(() => channel.close(), this.way === "in" && !error ? 2000 : 200);
    this._changed();
    this.#end(this);
  }

  _opened() {}
  _over() {}
  _pump() {}
  _piece() { throw malformed("bytes to the sender"); }
}
