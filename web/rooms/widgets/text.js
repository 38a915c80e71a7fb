// A text that all edit, and what two sides say to have the same one: the action `x.text` of spec/rooms.md.
import { applyUpdate, decodeStateVector, Doc, encodeStateAsUpdate, encodeStateVector, UndoManager } from "../vendor/yjs.js";

export const MOST_TEXT = 256 * 1024; // units of the text, of what this side writes
const MOST_STATE = 4 * 1024 * 1024; // bytes; each update of others counts until it is measured again
const PIECE = 32 * 1024; // base64 of one message
const PATIENCE = 5_000; // ms until another is asked

const utf8 = new TextEncoder();
const toBase64 = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
};
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const sum = (text) => utf8.encode(text).reduce((sum, byte) => Math.imul(sum ^ byte, 0x01000193) >>> 0, 0x811c9dc5);

/** A state vector as a map; null if it is none. */
function readVector(text) {
  if (typeof text !== "string" || text.length > PIECE || !text) return null;
  try {
    return decodeStateVector(fromBase64(text));
  } catch {
    return null;
  }
}

/** What is another between the same beginning and the same end; `caret` is where the writing was. No pair of surrogates is cut. */
export function difference(before, after, caret = after.length) {
  const most = Math.min(before.length, after.length);
  let end = 0;
  while (end < Math.min(most, after.length - caret) && before.at(-1 - end) === after.at(-1 - end)) end++;
  let at = 0;
  while (at < most - end && before[at] === after[at]) at++;
  while (end < most - at && before.at(-1 - end) === after.at(-1 - end)) end++;
  const low = (letter) => letter >= "\udc00" && letter <= "\udfff";
  if (at > 0 && (low(before[at]) || low(after[at]))) at--;
  if (end > 0 && (low(before.at(-end)) || low(after.at(-end)))) end--;
  return { at, deleted: before.length - at - end, inserted: after.slice(at, after.length - end) };
}

export class SharedText {
  #host;
  #doc = new Doc();
  #text = this.#doc.getText("text");
  #undo = new UndoManager(this.#text, { trackedOrigins: new Set([this]) });
  #haves = new Map(); // user → what it said it has, as far as it was not asked for
  #asked = null; // { of, at }
  #pieces = new Map();
  #taken = 0;
  #from = null; // of whom is heard
  /** What was not as it has to be, and was passed over. */
  refused = 0;

  /** `host` has `say(body, to)`, which says it to all without `to`, and `changed(delta, by)`, with what another changed, or this side took back, as Yjs tells it. */
  constructor(host) {
    this.#host = host;
    this.#doc.on("update", (update, origin) => origin === "peer" || this.#say("update", update));
    this.#text.observe(({ delta }, { origin }) => origin === this || host.changed(delta, this.#from));
  }

  get text() { return this.#text.toString(); }

  /** False if it would be too long. */
  edit({ at, deleted, inserted }) {
    if (inserted && this.#text.length - deleted + inserted.length > MOST_TEXT) return false;
    this.#doc.transact(() => {
      if (deleted) this.#text.delete(at, deleted);
      if (inserted) this.#text.insert(at, inserted);
    }, this);
    return true;
  }

  /** Of what this side wrote. */
  undo() { return this.#undo.undo(); }
  redo() { return this.#undo.redo(); }

  end() { this.#doc.destroy(); }

  // -- What others say

  get have() { return { vector: toBase64(encodeStateVector(this.#doc)), sum: sum(this.text) }; }

  /** A channel has opened. Who looks on cannot ask. */
  opened(userid, inspector = false) {
    if (inspector) this.#say("kept", encodeStateAsUpdate(this.#doc), userid);
    else this.#host.say({ have: this.have }, userid);
  }

  /** The others may have heard more of what one wrote last who has left. */
  left(userid) {
    this.#haves.delete(userid);
    for (const name of ["update", "kept"]) this.#pieces.delete(`${name} ${userid}`);
    if (this.#asked?.of === userid) this.#asked = null;
    if (decodeStateVector(encodeStateVector(this.#doc)).size) this.#host.say({ have: this.have });
  }

  #say(name, update, to) {
    const whole = toBase64(update);
    for (let at = 0; at === 0 || at < whole.length; at += PIECE) {
      const more = at + PIECE < whole.length;
      this.#host.say({ [name]: { data: whole.slice(at, at + PIECE), ...(more && { more }) } }, to);
    }
  }

  hear(from, body) {
    const [[name, content] = []] = Object.entries(Object(body));
    const right = content && Object.hasOwn(this.#hears, name) && this.#hears[name](from, content);
    if (!right) this.refused++;
  }

  // Each is false if it may not be said.
  #hears = {
    have: (from, { vector, sum }) => {
      const marks = readVector(vector);
      if (!marks || !Number.isSafeInteger(sum)) return false;
      this.#haves.set(from, { marks, sum });
      this.#ask();
      return true;
    },
    want: (from, { vector }) => {
      if (!readVector(vector)) return false;
      this.#say("kept", encodeStateAsUpdate(this.#doc, fromBase64(vector)), from);
      return true;
    },
    update: (from, piece) => this.#take(from, "update", piece) !== null,
    kept: (from, piece) => {
      const changed = this.#take(from, "kept", piece);
      if (piece.more) return changed !== null;
      if (this.#asked?.of === from) this.#asked = null;
      this.#ask();
      // It may lack what this side has.
      if (changed) this.#host.say({ have: this.have }, from);
      return changed !== null;
    },
  };

  /** For what others have and this side has not, one at a time. */
  #ask() {
    if (this.#waits) return;
    const own = decodeStateVector(encodeStateVector(this.#doc));
    const shown = sum(this.text);
    for (const [from, { marks, sum: there }] of this.#haves) {
      this.#haves.delete(from);
      const more = [...marks].some(([client, clock]) => (own.get(client) ?? 0) < clock);
      const same = marks.size === own.size && [...own].every(([client, clock]) => marks.get(client) === clock);
      if (!more && !(same && there !== shown)) continue;
      this.#want(from);
      return;
    }
  }

  get #waits() { return this.#asked !== null && this.#asked.at + PATIENCE > Date.now(); }

  #want(from) {
    if (this.#waits) return;
    this.#asked = { of: from, at: Date.now() };
    this.#host.say({ want: { vector: toBase64(encodeStateVector(this.#doc)) } }, from);
  }

  /** Whether the text is another; null if it may not be said. */
  #take(from, name, { data, more = false }) {
    const key = `${name} ${from}`;
    const before = this.#pieces.get(key) ?? "";
    this.#pieces.delete(key);
    if (typeof data !== "string" || typeof more !== "boolean" || before.length + data.length > MOST_STATE) return null;
    if (more) {
      this.#pieces.set(key, before + data);
      return false;
    }
    try {
      const update = fromBase64(before + data);
      this.#taken += update.length;
      if (this.#taken > MOST_STATE) this.#taken = encodeStateAsUpdate(this.#doc).length + update.length;
      if (this.#taken > MOST_STATE) {
        this.#taken -= update.length;
        return null;
      }
      const was = this.text;
      this.#from = from;
      applyUpdate(this.#doc, update, "peer");
      const { pendingStructs, pendingDs } = this.#doc.store;
      if (pendingStructs ?? pendingDs) this.#want(from);
      return this.text !== was;
    } catch {
      return null;
    } finally {
      this.#from = null;
    }
  }
}
