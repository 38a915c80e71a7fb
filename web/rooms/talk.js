// What two users tell each other over the data channel `rooms`. What is long goes in parts, what is
// very long over a channel of its own. With a hub it says to whom, and is told of whom.
import { fail } from "./errors.js";
import { INLINE, MOST, replied, Speech } from "./speech.js";
import { Unsure } from "./unsure.js";

export const LABEL = "rooms";
const LARGE = "rooms.large";
const LOSSY = "rooms.lossy"; // neither ordered nor sent again
const PROTOCOL = "ortc-rooms";
const ALONE = 64 * 1024; // bytes beyond which a message has a channel of its own
const MOST_LOSSY = 16 * 1024; // bytes; who has not taken as many misses what comes
const MAX_WAITING = 1024; // messages before the channel is open
const PING = 10_000; // ms
const HEARING = 3_000; // ms in which the other side says what it got over the channel of before
const COUNT = 1_000; // ms between what it is told of that

const decoder = new TextDecoder();

/** As it crosses: `to` only where it is for one of those whom a hub reaches. */
const written = ({ message, to }) => JSON.stringify(to === undefined ? message : { ...message, to });

function unpack(kind, bytes) {
  if (kind === "bytes") return bytes.buffer;
  const text = decoder.decode(bytes);
  return kind === "json" ? JSON.parse(text) : text;
}

export class Talk extends Speech {
  #host;
  #channel = null;
  #lossy = null;
  #waiting = [];
  #alone = new Set(); // channels of one message that are not done
  #marks = new Map(); // time of a ping → what to do at its answer
  #mark = 0;
  #timer = 0;
  #counter = 0;
  #unsure = new Unsure();
  #got = 0; // what came over the channels, and of how much the other side was told
  #toldGot = 0;
  /** ms for a message and its answer; null until measured. */
  roundTrip = null;
  /** What to add to this side's clock for the other's, in ms. */
  offset = 0;

  /**
   * `host` has `message(data, latency, from)`, `action(name, body, latency, from)`, which may give an answer, `opened`,
   * `closed`, and `create(label, init)`; `from` is of a hub. `number(packed)` numbers what is said, `isNew(n, from)` is false
   * for what came before, and `seen(n, from)` hears what the other side has. `large(packed)` hears of what has no number, and
   * `cut()` that such a message may not have come.
   */
  constructor(host) {
    super();
    this.#host = host;
  }

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
    this.#unsure.begin();
    const opened = () => {
      if (this.#channel !== channel) return;
      this.#tellGot();
      if (this.#unsure.waits) setTimeout(() => this.#channel === channel && this.#goOn(), HEARING);
      else this.#goOn();
      clearInterval(this.#timer);
      clearInterval(this.#counter);
      this.#timer = setInterval(() => this.#ping(), PING);
      this.#counter = setInterval(() => this.#got !== this.#toldGot && this.#tellGot(), COUNT);
      this.#ping();
      this.#host.opened();
    };
    channel.onopen = opened;
    channel.onclose = () => {
      if (this.#channel !== channel) return;
      this.#stop();
      this.#channel = null;
      this.#host.closed();
    };
    if (channel.readyState === "open") opened();
    return true;
  }

  #stop() {
    clearInterval(this.#timer);
    clearInterval(this.#counter);
  }

  #tellGot() {
    this.#toldGot = this.#got;
    this.#tell({ got: { n: this.#got } });
  }

  /** What has to go again over this channel goes, then what waits. */
  #goOn(again = []) {
    this.#unsure.forget();
    for (const packed of [...again, ...this.#waiting.splice(0)]) this._put(packed);
  }

  /** The connection is gone: what is said from now on waits for the next. */
  drop() {
    this.#stop();
    if (this.#channel) this.#channel.onclose = null;
    this.#channel = this.#lossy = null;
    if (this.#alone.size) this.#host.cut();
    this.#alone.clear();
    for (const done of this.#marks.values()) done();
    this.#marks.clear();
  }

  /** `replaced`: answers may come by another way. */
  end(replaced = false) {
    this.drop();
    if (!replaced) this._unanswered();
    this.#waiting = [];
  }

  /** What has not been said yet, and is not from now on. */
  rest() {
    this.#unsure = new Unsure();
    return this.#waiting.splice(0);
  }

  _put(packed) {
    const alone = (packed.bytes?.length ?? 0) > ALONE;
    const waits = !this.open || this.#unsure.waits;
    if (waits && this.#waiting.length >= MAX_WAITING) throw fail("unavailable", "too much waits for a connection to this user");
    if (alone) this.#host.large(packed);
    else this.#host.number(packed);
    if (waits) return void this.#waiting.push(packed);
    if (alone) return this.#sendAlone(packed);
    if (!("seen" in packed.message)) this.#unsure.goes(packed);
    this.#channel.send(written(packed));
    const { bytes = [] } = packed;
    for (let at = 0; at < bytes.length; at += INLINE) this.#channel.send(bytes.slice(at, at + INLINE));
    return undefined;
  }

  #tell(message, to) { if (this.open) this.#channel.send(written({ message: { ...message, at: Date.now() }, to })); }

  #sendAlone(packed) {
    const { bytes } = packed;
    const channel = this.#host.create(LARGE, { protocol: PROTOCOL });
    channel.bufferedAmountLowThreshold = ALONE;
    let at = 0;
    const more = () => {
      while (at < bytes.length && channel.bufferedAmount < 4 * ALONE) channel.send(bytes.slice(at, (at += INLINE)));
      if (at >= bytes.length && channel.bufferedAmount === 0) channel.close();
      else if (at >= bytes.length) channel.bufferedAmountLowThreshold = 0;
    };
    channel.onbufferedamountlow = more;
    this.#alone.add(channel);
    channel.onclose = () => { if (this.#alone.delete(channel) && at < bytes.length) this.#host.cut(); };
    channel.onopen = () => {
      channel.send(written(packed));
      more();
    };
  }

  /** At once or not at all. */
  _lossy(message, to) {
    if (!this.open) return;
    if (!this.#lossy || /^clos/.test(this.#lossy.readyState)) this.#lossy = this.#host.create(LOSSY, { protocol: PROTOCOL, ordered: false, maxRetransmits: 0 });
    else if (this.#lossy.readyState === "open" && this.#lossy.bufferedAmount <= MOST_LOSSY) this.#lossy.send(written({ message, to }));
  }

  #ping() { this.#tell({ ping: { at: Date.now() } }); }

  /** Calls back once the other side, or the one whom a hub reaches, has read all that was said before. */
  flushed(done, to) {
    if (!this.open) return done();
    if (this.#unsure.waits) return setTimeout(() => this.flushed(done, to), 100);
    // Others have whole milliseconds.
    this.#mark = Math.max(Date.now(), this.#mark + 1);
    const at = this.#mark + 0.5;
    this.#marks.set(at, () => (this.#alone.size ? setTimeout(() => this.flushed(done, to), 100) : done()));
    return this.#tell({ ping: { at } }, to);
  }

  #hear(channel, heard, data) {
    if (typeof data !== "string") return this.#part(channel, heard, new Uint8Array(data));
    if (heard.part) throw fail("badMessage", "a part is missing");
    const message = JSON.parse(data);
    const [name] = Object.keys(message);
    const { from, n } = message;
    this.#count(channel, name);
    if (name !== "part" && !this.#isNew(message)) return undefined;
    switch (name) {
      case "text": return this.#host.message(String(message.text), this.#latency(message), from);
      case "json": return this.#host.message(message.json, this.#latency(message), from);
      case "part": {
        const { kind, size } = message.part;
        if (!Number.isSafeInteger(size) || size < 0 || size > MOST) throw fail("tooLarge", "a message is too large");
        heard.part = { kind, at: message.at, from, n };
        heard.bytes = new Uint8Array(size);
        heard.at = 0;
        return this.#whole(channel, heard);
      }
      case "action": return this.#act(message.action, this.#latency(message), from);
      case "reply": return replied(message.reply);
      case "got": return this.#heardGot(message.got.n);
      case "seen": return this.#host.seen(message.seen.n, from);
      case "ping": return this.#tell({ pong: { at: message.ping.at, here: Date.now() } }, from);
      case "pong": return this.#ponged(message.pong, from);
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
    const { part, bytes } = heard;
    const { kind, at, from } = part;
    heard.part = heard.bytes = null;
    this.#count(channel, kind);
    if (channel.label === LARGE) channel.close();
    if (this.#isNew(part)) this.#host.message(unpack(kind, bytes), this.#latency({ at }), from);
  }

  /** What is said counts, not what is about the way itself. */
  #count({ label }, name) { if (label === LABEL && ["text", "json", "bytes", "action", "reply"].includes(name)) this.#got++; }

  #heardGot(count) {
    const { waits } = this.#unsure;
    const again = this.#unsure.got(count);
    if (waits) this.#goOn(again);
  }

  #isNew({ n, from }) { return n === undefined || this.#host.isNew(n, from); }

  /** How long a message took, in ms; null until the clocks are compared. */
  #latency({ at }) {
    return this.roundTrip === null || !Number.isFinite(at) ? null : Math.max(0, Date.now() - (at - this.offset));
  }

  async #act({ name, body, id }, latency, from) {
    const answer = (reply) => id === undefined || this._say({ message: { reply: { id, ...reply }, at: Date.now() }, to: from });
    try {
      answer({ body: (await this.#host.action(String(name), body, latency, from)) ?? null });
    } catch (error) {
      answer({ error: error.message });
    }
  }

  #ponged(pong, from) {
    const done = this.#marks.get(pong.at);
    this.#marks.delete(pong.at);
    if (done) done();
    else if (from === undefined) this.#measured(pong);
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
