// Data channels, those that are asked for before there is a connection too.
import { Target } from "./events.js";
import { fail } from "./tools.js";

const MAX_EARLY_CHANNELS = 1000;

const sizeOf = (data) => (typeof data === "string" ? new TextEncoder().encode(data).length : data?.size ?? data?.byteLength ?? 0);

/** A message that the peer does not take ends the channel in some browsers; here it is an error of `send`. */
function limitMessages(channel, most) {
  const send = channel.send.bind(channel);
  channel.send = (data) => {
    const limit = most();
    const size = sizeOf(data);
    if (size > limit) throw new TypeError(`a message of ${size} bytes, and the peer takes ${limit}`);
    send(data);
  };
  return channel;
}

/**
 * A data channel that is asked for before the DTLS role is agreed. The ids of channels follow from
 * the role (RFC 8832 section 6), and Chromium guesses it wrongly in half of the cases; so the
 * browser's own channel is made once the role is known, and stands behind this one.
 */
class EarlyChannel extends Target {
  #label;
  #init;
  #native = null;
  #closed = false;
  #settings = {};

  constructor(label, init) {
    super(["open", "message", "close", "closing", "error", "bufferedamountlow"]);
    this.#label = String(label);
    this.#init = { ...init };
    if (this.#init.maxRetransmits !== undefined && this.#init.maxPacketLifeTime !== undefined) {
      throw new TypeError("maxRetransmits and maxPacketLifeTime exclude each other");
    }
  }

  _start(pc, most) {
    if (this.#closed) return;
    this.#native = limitMessages(pc.createDataChannel(this.#label, this.#init), most);
    Object.assign(this.#native, this.#settings);
    for (const name of ["open", "message", "close", "closing", "error", "bufferedamountlow"]) {
      this.#native.addEventListener(name, (event) => this.dispatchEvent(new event.constructor(event.type, event)));
    }
  }

  #get(name, otherwise) { return this.#native ? this.#native[name] : otherwise; }
  #set(name, value) {
    if (this.#native) this.#native[name] = value;
    else this.#settings[name] = value;
  }

  get label() { return this.#label; }
  get ordered() { return this.#init.ordered ?? true; }
  get protocol() { return this.#init.protocol ?? ""; }
  get negotiated() { return this.#init.negotiated ?? false; }
  get maxRetransmits() { return this.#init.maxRetransmits ?? null; }
  get maxPacketLifeTime() { return this.#init.maxPacketLifeTime ?? null; }
  get id() { return this.#get("id", this.#init.id ?? null); }
  get readyState() { return this.#get("readyState", this.#closed ? "closed" : "connecting"); }
  get bufferedAmount() { return this.#get("bufferedAmount", 0); }
  get binaryType() { return this.#get("binaryType", this.#settings.binaryType ?? "arraybuffer"); }
  set binaryType(type) { this.#set("binaryType", type); }
  get bufferedAmountLowThreshold() { return this.#get("bufferedAmountLowThreshold", this.#settings.bufferedAmountLowThreshold ?? 0); }
  set bufferedAmountLowThreshold(bytes) { this.#set("bufferedAmountLowThreshold", bytes); }

  send(data) {
    if (!this.#native) throw fail("InvalidStateError", "the data channel is not open");
    this.#native.send(data);
  }

  close() {
    if (this.#native) return this.#native.close();
    if (this.#closed) return;
    this.#closed = true;
    queueMicrotask(() => this.dispatchEvent(new Event("close")));
  }
}

/** The channels that this side makes; those of the peer have the same limit. */
export class Channels {
  #pc;
  #most;
  #started = false;
  #waiting = [];

  /** `most` gives the largest message that the peer takes. */
  constructor(pc, most) {
    this.#pc = pc;
    this.#most = most;
  }

  limited(channel) { return limitMessages(channel, this.#most); }

  create(label, init) {
    if (this.#started) return this.limited(this.#pc.createDataChannel(label, init));
    if (this.#waiting.length >= MAX_EARLY_CHANNELS) throw fail("OperationError", "too many data channels before the connection");
    const channel = new EarlyChannel(label, init);
    this.#waiting.push(channel);
    return channel;
  }

  /** The DTLS role is agreed. */
  start(failed) {
    this.#started = true;
    for (const channel of this.#waiting.splice(0)) {
      try {
        channel._start(this.#pc, this.#most);
      } catch (error) {
        channel.close();
        failed(error);
      }
    }
  }

  close() {
    for (const channel of this.#waiting.splice(0)) channel.close();
  }
}
