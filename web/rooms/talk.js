// What two users tell each other over the data channel `rooms`: text, JSON, bytes, and actions that
// may be answered. What is long goes in parts, what is very long over a channel of its own.
import { fail } from "./errors.js";

export const LABEL = "rooms";
const LARGE = "rooms.large";
const LOSSY = "rooms.lossy"; // neither ordered nor sent again
const PROTOCOL = "ortc-rooms";
const INLINE = 16 * 1024; // bytes; also of a part
const ALONE = 64 * 1024; // bytes beyond which a message has a channel of its own
const MOST = 16 * 1024 * 1024;
const MOST_LOSSY = 16 * 1024; // bytes; who has not taken as many misses what comes
const MAX_WAITING = 256; // messages before the channel is open
const ANSWER = 30_000; // ms
const PING = 10_000; // ms

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** With the time at which it was said, by this side's clock. */
const stamped = (message) => JSON.stringify({ ...message, at: Date.now() });

/** What crosses for this data: a text, and bytes that follow it. */
function pack(data) {
  const binary = data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  const kind = binary ? "bytes" : typeof data === "string" ? "text" : "json";
  const bytes = binary ? new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength) : encoder.encode(kind === "text" ? data : JSON.stringify(data));
  if (bytes.length > MOST) throw fail("tooLarge", `${bytes.length} bytes are too many for a message; a file may have more`);
  if (!binary && bytes.length <= INLINE) return { text: stamped({ [kind]: data }) };
  return { text: stamped({ part: { kind, size: bytes.length, id: crypto.randomUUID() } }), bytes: bytes.slice() };
}

function unpack(kind, bytes) {
  if (kind === "bytes") return bytes.buffer;
  const text = decoder.decode(bytes);
  return kind === "json" ? JSON.parse(text) : text;
}

export class Talk {
  #host;
  #channel = null;
  #lossy = null;
  #waiting = [];
  #requests = new Map();
  #timer = 0;
  /** ms for a message and its answer; null until measured. */
  roundTrip = null;
  /** What to add to this side's clock for the other's, in ms. */
  offset = 0;

  /** `host` has `message(data, latency)`, `action(name, body, latency)`, which may give an answer, `opened`, `closed`, and `create(label, init)`. */
  constructor(host) { this.#host = host; }

  get open() { return this.#channel?.readyState === "open"; }

  create() { this.take(this.#host.create(LABEL, { protocol: PROTOCOL })); }

  /** A channel: of this side, or that the other side made. */
  take(channel) {
    if (![LABEL, LARGE, LOSSY].includes(channel.label)) return false;
    channel.binaryType = "arraybuffer";
    const heard = { part: null, bytes: null, at: 0 };
    channel.onmessage = ({ data }) => {
      try {
        this.#hear(channel, heard, data);
      } catch (error) {
        console.warn("a message of a peer was refused:", error.message);
        channel.close();
      }
    };
    if (channel.label !== LABEL) return true;
    this.#channel = channel;
    const opened = () => {
      if (this.#channel !== channel) return;
      for (const text of this.#waiting.splice(0)) this.#put(text);
      clearInterval(this.#timer);
      this.#timer = setInterval(() => this.#ping(), PING);
      this.#ping();
      this.#host.opened();
    };
    channel.onopen = opened;
    channel.onclose = () => {
      if (this.#channel !== channel) return;
      clearInterval(this.#timer);
      this.#channel = null;
      this.#host.closed();
    };
    if (channel.readyState === "open") opened();
    return true;
  }

  /** The connection is gone: what is said from now on waits for the next. */
  drop() {
    clearInterval(this.#timer);
    if (this.#channel) this.#channel.onclose = null;
    this.#channel = this.#lossy = null;
  }

  end() {
    this.drop();
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer);
      reject(fail("gone", "the other side left before it answered"));
    }
    this.#requests.clear();
    this.#waiting = [];
  }

  send(data) {
    const packed = pack(data);
    if ((packed.bytes?.length ?? 0) > ALONE) this.#sendAlone(packed);
    else this.#put(packed);
  }

  #put(packed) {
    if (!this.open) {
      if (this.#waiting.length >= MAX_WAITING) throw fail("unavailable", "too much waits for a connection to this user");
      return void this.#waiting.push(packed);
    }
    this.#channel.send(packed.text);
    const { bytes = [] } = packed;
    for (let at = 0; at < bytes.length; at += INLINE) this.#channel.send(bytes.slice(at, at + INLINE));
  }

  #say(message) { this.#put({ text: stamped(message) }); }

  #sendAlone({ text, bytes }) {
    const channel = this.#host.create(LARGE, { protocol: PROTOCOL });
    channel.bufferedAmountLowThreshold = ALONE;
    let at = 0;
    const more = () => {
      while (at < bytes.length && channel.bufferedAmount < 4 * ALONE) channel.send(bytes.slice(at, (at += INLINE)));
      if (at >= bytes.length && channel.bufferedAmount === 0) channel.close();
      else if (at >= bytes.length) channel.bufferedAmountLowThreshold = 0;
    };
    channel.onbufferedamountlow = more;
    channel.onopen = () => {
      channel.send(text);
      more();
    };
  }

  /** With `wantsAnswer`, resolves with it. */
  action(name, body = null, wantsAnswer = false) {
    if (!wantsAnswer) return void this.#say({ action: { name, body } });
    const id = crypto.randomUUID();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#requests.delete(id);
        reject(fail("timeout", `nobody answered ${name}`));
      }, ANSWER);
      this.#requests.set(id, { resolve, reject, timer });
      this.#say({ action: { name, body, id } });
    });
  }

  /** An action at once or not at all: it may be lost, or overtaken. */
  actionLossy(name, body = null) {
    if (!this.open) return;
    if (!this.#lossy || /^clos/.test(this.#lossy.readyState)) this.#lossy = this.#host.create(LOSSY, { protocol: PROTOCOL, ordered: false, maxRetransmits: 0 });
    else if (this.#lossy.readyState === "open" && this.#lossy.bufferedAmount <= MOST_LOSSY) this.#lossy.send(stamped({ action: { name, body } }));
  }

  #ping() { if (this.open) this.#say({ ping: { at: Date.now() } }); }

  #hear(channel, heard, data) {
    if (typeof data !== "string") return this.#part(channel, heard, new Uint8Array(data));
    if (heard.part) throw fail("badMessage", "a part is missing");
    const message = JSON.parse(data);
    const [name] = Object.keys(message);
    switch (name) {
      case "text": return this.#host.message(String(message.text), this.#latency(message));
      case "json": return this.#host.message(message.json, this.#latency(message));
      case "part": {
        const { kind, size } = message.part;
        if (!Number.isSafeInteger(size) || size < 0 || size > MOST) throw fail("tooLarge", "a message is too large");
        heard.part = { kind, at: message.at };
        heard.bytes = new Uint8Array(size);
        heard.at = 0;
        return this.#whole(channel, heard);
      }
      case "action": return this.#act(message.action, this.#latency(message));
      case "reply": return this.#replied(message.reply);
      case "ping": return this.#say({ pong: { at: message.ping.at, here: Date.now() } });
      case "pong": return this.#measured(message.pong);
      default: return undefined; // Of a later version.
    }
  }

  #part(channel, heard, bytes) {
    if (!heard.part || heard.at + bytes.length > heard.bytes.length) throw fail("badMessage", "bytes that nobody announced");
    heard.bytes.set(bytes, heard.at);
    heard.at += bytes.length;
    this.#whole(channel, heard);
  }

  #whole(channel, heard) {
    if (heard.at < heard.bytes.length) return;
    const { part: { kind, at }, bytes } = heard;
    heard.part = heard.bytes = null;
    if (channel.label === LARGE) channel.close();
    this.#host.message(unpack(kind, bytes), this.#latency({ at }));
  }

  /** How long a message took, in ms; null until the clocks are compared. */
  #latency({ at }) {
    return this.roundTrip === null || !Number.isFinite(at) ? null : Math.max(0, Date.now() - (at - this.offset));
  }

  async #act({ name, body, id }, latency) {
    try {
      const answer = await this.#host.action(String(name), body, latency);
      if (id !== undefined) this.#say({ reply: { id, body: answer ?? null } });
    } catch (error) {
      if (id !== undefined) this.#say({ reply: { id, error: error.message } });
    }
  }

  #replied({ id, body, error }) {
    const request = this.#requests.get(id);
    if (!request) return;
    clearTimeout(request.timer);
    this.#requests.delete(id);
    if (error !== undefined) request.reject(fail("refused", String(error)));
    else request.resolve(body);
  }

  #measured({ at, here }) {
    const now = Date.now();
    if (!(at <= now)) return;
    const took = now - at;
    // The shortest way tells the clocks' difference best.
    if (this.roundTrip === null || took <= this.roundTrip) this.offset = here - (at + now) / 2;
    this.roundTrip = took;
  }
}
