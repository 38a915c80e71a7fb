// Numbers of messages: none is lost, and none is heard twice, over connections that break.
import { fail } from "./errors.js";

const MAX_WAITING = 1024; // messages that the other side has not seen
const TELL_AFTER = 32; // messages heard until the other side is told

export class Link {
  #said = 0;
  #waiting = []; // what the other side has not told to have seen
  #acknowledged = 0;
  #heard = null; // the number of the last message heard; null: of a numbering that is not known yet
  #told = 0;
  #fresh = true; // no numbered message came since the last welcome

  /** The number of the last message that came; undefined before one came. */
  get heard() { return this.#heard ?? undefined; }
  /** What is due to be told. */
  get untold() { return (this.#heard ?? 0) > this.#told; }
  /** When the oldest message that waits was said, in the time of `performance.now`. */
  get oldest() { return this.#waiting[0]?.at; }

  /** Keeps a message until it is seen. The entry's `seq` may change when the numbers start anew. */
  keep(message) {
    if (this.#waiting.length >= MAX_WAITING) throw fail("unavailable", "the signalling server does not answer, and too much waits for it");
    const entry = { seq: ++this.#said, message, at: performance.now() };
    this.#waiting.push(entry);
    return entry;
  }

  /** The text of a message that is kept. */
  text({ seq, message }) {
    this.#told = this.#heard ?? 0;
    return JSON.stringify({ seq, seen: this.#told, message });
  }

  /** The text that tells what was heard. */
  acknowledgement() {
    this.#told = this.#heard ?? 0;
    return JSON.stringify({ seen: this.#told });
  }

  /** The message that came, or null where it is none or is known. Throws where one between is missing. */
  take({ seq, seen, message }) {
    if (Number.isSafeInteger(seen)) this.#see(seen);
    if (!Number.isSafeInteger(seq)) return message ?? null;
    // After a welcome the other side says again only what was not heard: a lower number is of one
    // that counts anew, a higher one of a numbering that this side joins late.
    if (this.#fresh && (this.#heard === null || seq !== this.#heard + 1)) this.#heard = this.#told = seq - 1;
    this.#fresh = false;
    if (seq <= this.#heard) return null;
    if (seq > this.#heard + 1) throw fail("unavailable", "a message of the signalling server was lost");
    this.#heard = seq;
    return message ?? null;
  }

  /** Whether the other side waits to be told. */
  get due() { return (this.#heard ?? 0) - this.#told >= TELL_AFTER; }

  #see(seen) {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(seen, this.#said));
    while (this.#waiting.length && this.#waiting[0].seq <= seen) this.#waiting.shift();
  }

  /** After a welcome that knows this side: what must be said again. */
  resume(seen) {
    this.#fresh = true;
    // It counts anew, or knows of a life of this side that ended.
    if (seen < this.#acknowledged || seen > this.#said) {
      this.#said = this.#acknowledged = seen < this.#acknowledged ? 0 : seen;
      for (const entry of this.#waiting) entry.seq = ++this.#said;
    } else this.#see(seen);
    return [...this.#waiting];
  }

  /** After a welcome that does not know this side: nothing that was said before counts. */
  restart() {
    this.#said = this.#acknowledged = this.#told = 0;
    this.#waiting = [];
    this.#heard = null;
    this.#fresh = true;
  }

  /** After the first welcome: what was said before it. */
  begin() { return [...this.#waiting]; }
}
