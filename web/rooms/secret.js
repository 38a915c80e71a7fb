// Proof of a secret: two users find out whether both know it, without telling it (SPAKE2 over Ed25519, as
// the crate spake2 has it), and bind it to the certificates of their connection. A server that puts
// itself between them is found out.
import { add, BASE, decode, encode, fromBytes, M, N, ORDER, times } from "./ed25519.js";

const CONTEXT = "ortc-rooms 1";
const SIDES = { caller: { mark: 0x41, own: M, other: N }, callee: { mark: 0x42, own: N, other: M } };
const utf8 = new TextEncoder();
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** The password as a number: HKDF-SHA256 without salt, 48 bytes, the most significant first. */
async function scalarOf(password) {
  const key = await crypto.subtle.importKey("raw", password, "HKDF", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8.encode("SPAKE2 pw") }, key, 384);
  return fromBytes(new Uint8Array(bits).reverse()) % ORDER;
}

/** `hash SP VALUE` of each, sorted. */
function canonical(side) {
  const { fingerprint } = side?.dtls ?? {};
  const all = Object.entries(fingerprint ?? {}).flatMap(([hash, values]) => [values].flat().map((value) => `${hash.toLowerCase()} ${String(value).toUpperCase()}`));
  return all.sort().join(",");
}

/** What the proof of a side is about: the caller's certificate, in the callee's proof that of both. */
function words(side, { instance, caller, callee }, ofCaller, ofCallee) {
  const lines = [CONTEXT, side, instance, caller, callee, canonical(ofCaller)];
  if (side === "callee") lines.push(canonical(ofCallee));
  return utf8.encode(lines.join("\n"));
}

/** One side of one exchange. `pair` has `instance`, and the ids of `caller` and `callee`. */
export class Exchange {
  #side;
  #password;
  #pair;
  #scalar;
  #number;
  #own;
  #key = null;

  /** Begins; `message` is for the other side. */
  static async begin(secret, side, pair) {
    const exchange = new Exchange();
    exchange.#side = side;
    exchange.#pair = pair;
    exchange.#password = utf8.encode(secret);
    exchange.#scalar = await scalarOf(exchange.#password);
    exchange.#number = fromBytes(crypto.getRandomValues(new Uint8Array(64))) % ORDER;
    const { mark, own } = SIDES[side];
    exchange.#own = encode(add(times(BASE, exchange.#number), times(own, exchange.#scalar)));
    exchange.message = toBase64([mark, ...exchange.#own]);
    return exchange;
  }

  get finished() { return this.#key !== null; }

  /** With the message of the other side; false if that is none, or this one had its answer. */
  async finish(message) {
    if (this.#key) return false;
    const side = this.#side;
    const [expected, blind] = side === "caller" ? [SIDES.callee.mark, SIDES.caller.other] : [SIDES.caller.mark, SIDES.callee.other];
    let bytes = null;
    try {
      bytes = fromBase64(String(message));
    } catch {
      return false;
    }
    const point = bytes[0] === expected ? decode(bytes.slice(1)) : null;
    if (!point) return false;
    const shared = encode(times(add(point, times(blind, ORDER - this.#scalar)), this.#number));
    const [first, second] = side === "caller" ? [this.#own, bytes.slice(1)] : [bytes.slice(1), this.#own];
    const hashes = await Promise.all([this.#password, utf8.encode(this.#pair.caller), utf8.encode(this.#pair.callee)].map(sha256));
    const key = await sha256(Uint8Array.from([...hashes.flatMap((hash) => [...hash]), ...first, ...second, ...shared]));
    this.#key = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
    return true;
  }

  /** This side's proof. */
  async prove(local, remote) {
    const sides = this.#side === "caller" ? [local, null] : [remote, local];
    return toBase64(new Uint8Array(await crypto.subtle.sign("HMAC", this.#key, words(this.#side, this.#pair, ...sides))));
  }

  /** Whether the other side's proof is one; without a fingerprint nothing is proven. */
  async verify(proof, local, remote) {
    if (!this.#key || typeof proof !== "string" || !canonical(remote)) return false;
    const [side, ...sides] = this.#side === "caller" ? ["callee", local, remote] : ["caller", remote, null];
    try {
      return await crypto.subtle.verify("HMAC", this.#key, fromBase64(proof), words(side, this.#pair, ...sides));
    } catch {
      return false;
    }
  }
}
