// What is drawn, and what two sides say to have the same: the action `x.draw` of spec/rooms.md.
// Order, repetition and ways around do not matter: of two values of one thing the greater holds.
import { before } from "../kind.js";

export const MOST_POINTS = 512; // of a stroke
export const MOST_STROKES = 1000; // those taken back among them; the oldest go first
export const SIDE = 65_535; // what a canvas is wide and high
const WIDEST = 6553;
const AHEAD = 86_400_000; // ms: numbers so much beyond the greatest known are not believed
const PATIENCE = 5_000; // ms until another is asked
const BATCH = 2048; // points and strokes of one message
const ERASED = 65_535;

const whole = (value, least, most) => Number.isSafeInteger(value) && value >= least && value <= most;
const isUser = (value) => typeof value === "string" && value.length > 0 && value.length <= 64;
const keyOf = ({ by, n }) => `${n} ${by}`;
const above = (one, other) => one.n - other.n || (one.by === other.by ? 0 : before(one.by, other.by) ? -1 : 1);

/** What a stroke adds to its user's mark. */
function sum(n, weight) {
  return Math.imul((n >>> 0) ^ Math.imul(weight + 1, 0x85ebca6b), 0x9e3779b1) >>> 0;
}

const isId = (id) => isUser(id?.by) && whole(id.n, 0, Number.MAX_SAFE_INTEGER);

function isPart(part) {
  const { colour, width, at, points } = part ?? {};
  return isId(part) && /^#[0-9a-f]{6}$/i.test(colour) && whole(width, 1, WIDEST) && whole(at, 0, MOST_POINTS)
    && Array.isArray(points) && points.length >= 2 && points.length % 2 === 0 && at + points.length / 2 <= MOST_POINTS
    && points.every((value) => whole(value, 0, SIDE));
}

export class Drawing {
  #host;
  #clear = 0;
  #highest = 0;
  #entries = new Map();
  #sorted = [];
  #own = new Set(); // of this life: nobody else knows better
  #haves = new Map(); // user → what it said it has, as far as it was not asked for
  #asked = new Map(); // user → whose strokes are asked for: { of, at }
  #learnt = false;
  /** What was not as it has to be, and was passed over. */
  refused = 0;

  /** `host` has `me`, `present(userid)`, `say(body, to)`, which says it to all without `to`, and `changed(by)`. */
  constructor(host) { this.#host = host; }

  /** From the lowest to the topmost: `{ by, n, colour, width, points }` with flat points. */
  get strokes() { return this.#sorted.filter(({ erased }) => !erased); }
  get mine() { return this.strokes.some(({ by }) => by === this.#host.me); }

  // -- This user's part

  #next() { return (this.#highest = Math.max(this.#highest + 1, Date.now())); }

  /** Begins a stroke: `add` puts points to it, as many as one has. */
  begin(colour, width) {
    const stroke = { by: this.#host.me, n: this.#next(), colour, width };
    this.#own.add(stroke.n);
    let count = 0;
    return {
      get full() { return count >= MOST_POINTS; },
      add: (points) => {
        const part = { ...stroke, at: count, points: points.slice(0, 2 * (MOST_POINTS - count)) };
        if (!part.points.length) return;
        count += part.points.length / 2;
        this.#put(part);
        this.#host.say({ stroke: part });
        this.#host.changed(this.#host.me);
      },
    };
  }

  undo() {
    const last = this.strokes.findLast(({ by }) => by === this.#host.me);
    if (!last) return;
    this.#own.add(last.n);
    this.#merge({ by: last.by, n: last.n, erased: true });
    this.#host.say({ erase: { by: last.by, n: last.n } });
    this.#host.changed(this.#host.me);
  }

  clear() {
    const n = this.#next();
    this.#cleared(n);
    this.#host.say({ clear: { n } });
    this.#host.changed(this.#host.me);
  }

  // -- State

  #put({ by, n, colour, width, at, points }) {
    const pairs = [];
    for (let index = 0; index < points.length; index += 2) pairs[at + index / 2] = [points[index], points[index + 1]];
    return this.#merge({ by, n, colour: colour.toLowerCase(), width, pairs });
  }

  /** True if it brought something. */
  #merge(stroke) {
    if (stroke.n <= this.#clear) return false;
    this.#highest = Math.max(this.#highest, stroke.n);
    const there = this.#entries.get(keyOf(stroke));
    if (!there) return this.#insert(stroke);
    if (there.erased) return false;
    if (stroke.erased) {
      Object.assign(there, { erased: true, pairs: [], points: [] });
      return true;
    }
    let changed = false;
    for (const name of ["colour", "width"]) {
      if (there[name] >= stroke[name]) continue;
      there[name] = stroke[name];
      changed = true;
    }
    stroke.pairs.forEach((pair, index) => {
      const own = there.pairs[index];
      if (own && (own[0] - pair[0] || own[1] - pair[1]) >= 0) return;
      there.pairs[index] = pair;
      changed = true;
    });
    if (changed) there.points = flat(there.pairs);
    return changed;
  }

  #insert(stroke) {
    const entry = { ...stroke, pairs: stroke.pairs ?? [], points: flat(stroke.pairs ?? []) };
    let at = this.#sorted.length;
    while (at > 0 && above(this.#sorted[at - 1], entry) > 0) at--;
    this.#sorted.splice(at, 0, entry);
    this.#entries.set(keyOf(entry), entry);
    while (this.#sorted.length > MOST_STROKES) this.#entries.delete(keyOf(this.#sorted.shift()));
    return true;
  }

  #cleared(n) {
    if (n <= this.#clear) return false;
    this.#clear = n;
    this.#highest = Math.max(this.#highest, n);
    this.#sorted = this.#sorted.filter((entry) => entry.n > n);
    this.#entries = new Map(this.#sorted.map((entry) => [keyOf(entry), entry]));
    return true;
  }

  // -- What others say

  get have() {
    const by = {};
    for (const entry of this.#sorted) {
      by[entry.by] ??= [0, 0];
      by[entry.by][0]++;
      by[entry.by][1] = (by[entry.by][1] + sum(entry.n, weight(entry))) >>> 0;
    }
    return { clear: this.#clear, by };
  }

  /** A channel has opened. Who looks on cannot ask. */
  opened(userid, inspector = false) {
    if (!inspector) return this.#host.say({ have: this.have }, userid);
    this.#host.say({ clear: { n: this.#clear } }, userid);
    return this.#tell(userid, () => true);
  }

  /** Those who are there may have heard different parts of what one drew who has left. */
  left(userid) {
    this.#haves.delete(userid);
    for (const [whose, { of }] of this.#asked) if (of === userid) this.#asked.delete(whose);
    if (this.have.by[userid]) this.#host.say({ have: this.have });
  }

  /** Those who are there tell their own. */
  #mayTell(from, whose) { return from === whose || whose === this.#host.me || !this.#host.present(whose); }

  hear(from, body) {
    const limit = Math.max(this.#highest, Date.now()) + AHEAD;
    const [[name, content] = []] = Object.entries(Object(body));
    const right = content && Object.hasOwn(this.#hears, name) ? this.#hears[name](from, content, limit) : null;
    if (right === null) this.refused++;
    else if (right) this.#host.changed(from);
  }

  // Each is true if the picture is another, null if it may not be said.
  #hears = {
    stroke: (from, part, limit) => isPart(part) && part.by === from && part.n <= limit ? this.#put(part) : null,
    erase: (from, id, limit) => isId(id) && id.by === from && id.n <= limit ? this.#merge({ by: from, n: id.n, erased: true }) : null,
    clear: (_, { n }, limit) => whole(n, 0, limit) ? this.#cleared(n) : null,
    have: (from, { clear, by }, limit) => {
      const told = Object.entries(Object(by));
      if (!whole(clear, 0, limit) || told.length > MOST_STROKES || !told.every(([whose, mark]) => isUser(whose) && Array.isArray(mark) && mark.length === 2)) return null;
      this.#haves.set(from, new Map(told));
      const cleared = this.#cleared(clear);
      this.#ask();
      return cleared;
    },
    want: (from, { by }) => {
      if (!Array.isArray(by) || by.length > MOST_STROKES) return null;
      this.#tell(from, (whose) => by.includes(whose));
      return false;
    },
    kept: (from, { strokes, last }, limit) => {
      if (!Array.isArray(strokes)) return null;
      let changed = false;
      for (const stroke of strokes) changed = this.#take(from, stroke, limit) || changed;
      if (!last) return changed;
      for (const [whose, { of }] of this.#asked) if (of === from) this.#asked.delete(whose);
      if (this.#learnt) this.#host.say({ have: this.have });
      this.#learnt = false;
      this.#ask();
      return changed;
    },
  };

  #take(from, stroke, limit) {
    const mine = stroke?.by === this.#host.me;
    if (mine && this.#own.has(stroke.n)) return false;
    if (!isId(stroke) || stroke.n > limit || !this.#mayTell(from, stroke.by) || !(stroke.erased === true || isPart(stroke))) {
      this.refused++;
      return false;
    }
    const changed = stroke.erased ? this.#merge({ by: stroke.by, n: stroke.n, erased: true }) : this.#put(stroke);
    this.#learnt ||= changed && mine;
    return changed;
  }

  /** For what others have and this side has not, each user's of one at a time. */
  #ask() {
    const now = Date.now();
    for (const [whose, { at }] of this.#asked) if (at + PATIENCE <= now) this.#asked.delete(whose);
    const own = this.have.by;
    for (const [from, marks] of this.#haves) {
      const wanted = [];
      for (const [whose, mark] of marks) {
        const same = own[whose]?.[0] === mark[0] && own[whose]?.[1] === mark[1];
        if (same) marks.delete(whose);
        else if (this.#mayTell(from, whose) && !this.#asked.has(whose)) {
          this.#asked.set(whose, { of: from, at: now });
          wanted.push(whose);
          marks.delete(whose);
        }
      }
      if (wanted.length) this.#host.say({ want: { by: wanted } }, from);
      if (!marks.size || !this.#host.present(from)) this.#haves.delete(from);
    }
  }

  #tell(to, wanted) {
    const may = (whose) => whose === this.#host.me || whose === to || !this.#host.present(whose);
    let strokes = [];
    let size = 0;
    for (const entry of this.#sorted.filter(({ by }) => may(by) && wanted(by))) {
      if (size > BATCH) {
        this.#host.say({ kept: { strokes, last: false } }, to);
        [strokes, size] = [[], 0];
      }
      size += (weight(entry) % ERASED) + 16;
      const { by, n, colour, width } = entry;
      if (entry.erased) strokes.push({ by, n, erased: true });
      else for (const { at, points } of runs(entry.pairs)) strokes.push({ by, n, colour, width, at, points });
    }
    this.#host.say({ kept: { strokes, last: true } }, to);
  }
}

const weight = ({ erased, pairs }) => erased ? ERASED : pairs.reduce((count) => count + 1, 0);

/** Up to the first that is not there yet. */
function flat(pairs) {
  const gap = pairs.findIndex((pair) => !pair);
  return (gap < 0 ? pairs : pairs.slice(0, gap)).flat();
}

/** The pieces that are there. */
function runs(pairs) {
  const found = [];
  for (let at = 0; at < pairs.length; at++) {
    if (!pairs[at]) continue;
    if (!pairs[at - 1]) found.push({ at, points: [] });
    found.at(-1).points.push(...pairs[at]);
  }
  return found;
}
