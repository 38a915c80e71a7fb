// What can be said to somebody, by whatever way: text, JSON, bytes, and actions that may be answered.
import { fail } from "./errors.js";

export const INLINE = 16 * 1024; // bytes; also of a part
export const MOST = 16 * 1024 * 1024;
const ANSWER = 30_000; // ms

const encoder = new TextEncoder();
/** Of all: an answer may come by another way than the question went. */
const requests = new Map(); // id → { of, resolve, reject, timer }

/** With the time at which it was said, by this side's clock. */
const stamped = (message) => ({ ...message, at: Date.now() });

/** What crosses for this data: a message, and bytes that follow it. */
function pack(data) {
  const binary = data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  const kind = binary ? "bytes" : typeof data === "string" ? "text" : "json";
  const bytes = binary ? new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength) : encoder.encode(kind === "text" ? data : JSON.stringify(data));
  if (bytes.length > MOST) throw fail("tooLarge", `${bytes.length} bytes are too many for a message; a file may have more`);
  if (!binary && bytes.length <= INLINE) return { message: stamped({ [kind]: data }) };
  return { message: stamped({ part: { kind, size: bytes.length, id: crypto.randomUUID() } }), bytes: bytes.slice() };
}

export class Speech {
  #diverted = null;

  send(data) { this._say(pack(data)); }

  /** With `wantsAnswer`, resolves with it. */
  action(name, body = null, wantsAnswer = false) {
    if (!wantsAnswer) return void this._say({ message: stamped({ action: { name, body } }) });
    const id = crypto.randomUUID();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        requests.delete(id);
        reject(fail("timeout", `nobody answered ${name}`));
      }, ANSWER);
      requests.set(id, { of: this, resolve, reject, timer });
      this._say({ message: stamped({ action: { name, body, id } }) });
    });
  }

  /** An action at once or not at all: it may be lost, or overtaken. */
  actionLossy(name, body = null) { this._lossy(stamped({ action: { name, body } })); }

  /** What is said from now on goes to `way` instead; without one, as before. */
  divert(way = null) { this.#diverted = way; }

  _say(packed) {
    if (this.#diverted) this.#diverted(packed);
    else this._put(packed);
  }

  /** Nobody answers what was asked this way. */
  _unanswered() {
    for (const [id, { of, reject, timer }] of requests) {
      if (of !== this) continue;
      clearTimeout(timer);
      requests.delete(id);
      reject(fail("gone", "the other side left before it answered"));
    }
  }
}

/** An answer came. */
export function replied({ id, body, error }) {
  const request = requests.get(id);
  if (!request) return;
  clearTimeout(request.timer);
  requests.delete(id);
  if (error !== undefined) request.reject(fail("refused", String(error)));
  else request.resolve(body);
}
