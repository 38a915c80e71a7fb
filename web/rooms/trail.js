// What goes by a hub is numbered, and kept until it is known to have come: once the hub is lost, it goes another way.
import { fail } from "./errors.js";

const MAX_KEPT = 512; // messages
const MAX_BYTES = 32 * 1024 * 1024; // and theirs
const SILENT = 10_000; // ms after which one who told nothing of numbers knows of none
const MAX_LARGE = 16; // messages too large to be kept, of which it is known whom they were for
const LARGE = 30_000; // ms in which such a one is held not to have come
const TELL = 1_000; // ms between what others are told of theirs

const sizeOf = ({ message, bytes }) => bytes?.length ?? JSON.stringify(message).length;

export class Trail {
  #host;
  #last = 0;
  #kept = []; // { n, to, packed, size }, in their order
  #size = 0;
  #dropped = 0; // the number of the last that was kept no longer, though somebody may not have it
  #large = []; // { to, at }
  #reached = new Map(); // user id → { seen, told, since, by }: since when a hub reaches it, null: none yet
  #came = new Map(); // user id → { n, told }
  #owed = new Set(); // those whom the hub reached that is lost
  #timer = 0;

  /** `host` has `knows(userid)`, whether one is in the room, `others`, the ids of all others there, `talk(userid)`, the way to one, and `failed(userid, error)`. */
  constructor(host) { this.#host = host; }

  // -- What this side says

  /** What goes by the hub for the first time gets a number. */
  number(packed) {
    const { message, to } = packed;
    if (message.n !== undefined || "seen" in message) return;
    // Whether the hub reaches them yet or not.
    for (const userid of to === undefined ? this.#host.others : [to]) this.#of(userid);
    // One who comes back under its name goes on above what it said before.
    message.n = this.#last = this.#last ? this.#last + 1 : Date.now();
    const size = sizeOf(packed);
    this.#kept.push({ n: message.n, to, packed, size });
    this.#size += size;
    this.#trim();
    while (this.#kept.length > MAX_KEPT || this.#size > MAX_BYTES) this.#dropped = this.#shift();
  }

  /** What goes by the hub and is too large to be kept. */
  large(to) {
    this.#large.push({ to, at: performance.now() });
    this.#large.splice(0, this.#large.length - MAX_LARGE);
  }

  #lacksLarge(userid) { return this.#large.some(({ to, at }) => (to === undefined || to === userid) && performance.now() - at < LARGE); }

  #shift() {
    const { n, size } = this.#kept.shift();
    this.#size -= size;
    return n;
  }

  /** Whether it need not be kept for this one. */
  #has({ seen, told, since }, n) { return seen >= n || (!told && since !== null && performance.now() - since > SILENT); }

  #trim() {
    const done = ({ n, to }) => {
      const all = to === undefined ? [...this.#reached.values()] : [this.#reached.get(to)];
      return all.every((who) => !who || this.#has(who, n));
    };
    while (this.#kept.length && done(this.#kept[0])) this.#shift();
  }

  /** This hub reaches somebody, who is told that what comes is. */
  reach(userid, by) {
    const who = this.#of(userid);
    if (who.by === by) return;
    [who.by, who.since] = [by, performance.now()];
    this.#introduce(userid);
  }

  #of(userid) {
    // What was said before is not for one who came after.
    if (!this.#reached.has(userid)) this.#reached.set(userid, { seen: this.#last, told: false, since: null, by: null });
    return this.#reached.get(userid);
  }

  /** Somebody has all up to this number. */
  seen(userid, n) {
    if (!Number.isSafeInteger(n) || n > this.#last || !this.#host.knows(userid)) return;
    const who = this.#of(userid);
    if (!who.told && this.#has(who, Infinity)) who.seen = this.#last;
    who.told = true;
    who.seen = Math.max(who.seen, n);
    this.#trim();
  }

  /** The hub is lost that had these members. */
  lost(members) { for (const { userid, active } of members) if (active) this.#owed.add(userid); }

  get owed() { return [...this.#owed]; }

  /** There is another way to somebody: what it may not have goes there, before what is new. */
  sayAgain(userid, talk) {
    const who = this.#reached.get(userid);
    if (!talk || !this.#owed.delete(userid) || !who) return;
    const unseen = this.#kept.filter(({ n, to }) => !this.#has(who, n) && (to === undefined || to === userid));
    try {
      for (const { packed: { message, bytes } } of unseen) talk._put({ message, bytes });
      if (who.seen >= this.#dropped && !this.#lacksLarge(userid)) return;
    } catch {
      // Too much waits.
    }
    this.#host.failed(userid, fail("lost", "messages may have been lost with the server that passed them on"));
  }

  // -- What others say

  /** False if what somebody said under this number came before, by another way. */
  isNew(userid, n) {
    if (!Number.isSafeInteger(n) || !this.#host.knows(userid)) return true;
    const came = this.#came.get(userid) ?? { n: 0, told: 0 };
    if (n <= came.n) return false;
    came.n = n;
    this.#came.set(userid, came);
    this.#timer ||= setTimeout(() => this.#tellAll(), TELL);
    return true;
  }

  /** Says to somebody that what comes is told, and what has come. */
  #introduce(userid) {
    const talk = this.#host.talk(userid);
    if (!talk?.open) return;
    const came = this.#came.get(userid) ?? { n: 0, told: 0 };
    came.told = came.n;
    talk._say({ message: { seen: { n: came.n } } });
  }

  #tellAll() {
    this.#timer = 0;
    const due = () => [...this.#came].filter(([, { n, told }]) => n > told);
    for (const [userid] of due()) this.#introduce(userid);
    if (due().length) this.#timer = setTimeout(() => this.#tellAll(), TELL);
  }

  // --

  /** Somebody has left. */
  forget(userid) {
    this.#reached.delete(userid);
    this.#came.delete(userid);
    this.#owed.delete(userid);
    this.#trim();
  }

  end() {
    clearTimeout(this.#timer);
    this.#came.clear();
  }
}
