// BLAKE3 as files want it: the hash of each block of 1 MiB is the chaining value of its subtree in the
// tree of the whole file, so that nothing is hashed twice. Tested against what the crate `blake3` makes.

export const BLOCK = 1024 * 1024;
const CHUNK = 1024;
const IV = Uint32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);
const START = 1, END = 2, PARENT = 4, ROOT = 8;
const ROUNDS = 7;

/** 16 words of a message into a chaining value: `cv` at `at` is replaced. */
function compress(cv, at, m, low, high, length, flags) {
  let v0 = cv[at] | 0, v1 = cv[at + 1] | 0, v2 = cv[at + 2] | 0, v3 = cv[at + 3] | 0, v4 = cv[at + 4] | 0, v5 = cv[at + 5] | 0, v6 = cv[at + 6] | 0, v7 = cv[at + 7] | 0;
  let v8 = 0x6a09e667, v9 = 0xbb67ae85 | 0, va = 0x3c6ef372, vb = 0xa54ff53a | 0, vc = low | 0, vd = high | 0, ve = length | 0, vf = flags | 0;
  let m0 = m[0] | 0, m1 = m[1] | 0, m2 = m[2] | 0, m3 = m[3] | 0, m4 = m[4] | 0, m5 = m[5] | 0, m6 = m[6] | 0, m7 = m[7] | 0;
  let m8 = m[8] | 0, m9 = m[9] | 0, ma = m[10] | 0, mb = m[11] | 0, mc = m[12] | 0, md = m[13] | 0, me = m[14] | 0, mf = m[15] | 0;
  for (let round = 1; ; round++) {
    // Columns.
    v0 = (v0 + v4 + m0) | 0; vc ^= v0; vc = (vc >>> 16) | (vc << 16); v8 = (v8 + vc) | 0; v4 ^= v8; v4 = (v4 >>> 12) | (v4 << 20);
    v0 = (v0 + v4 + m1) | 0; vc ^= v0; vc = (vc >>> 8) | (vc << 24); v8 = (v8 + vc) | 0; v4 ^= v8; v4 = (v4 >>> 7) | (v4 << 25);
    v1 = (v1 + v5 + m2) | 0; vd ^= v1; vd = (vd >>> 16) | (vd << 16); v9 = (v9 + vd) | 0; v5 ^= v9; v5 = (v5 >>> 12) | (v5 << 20);
    v1 = (v1 + v5 + m3) | 0; vd ^= v1; vd = (vd >>> 8) | (vd << 24); v9 = (v9 + vd) | 0; v5 ^= v9; v5 = (v5 >>> 7) | (v5 << 25);
    v2 = (v2 + v6 + m4) | 0; ve ^= v2; ve = (ve >>> 16) | (ve << 16); va = (va + ve) | 0; v6 ^= va; v6 = (v6 >>> 12) | (v6 << 20);
    v2 = (v2 + v6 + m5) | 0; ve ^= v2; ve = (ve >>> 8) | (ve << 24); va = (va + ve) | 0; v6 ^= va; v6 = (v6 >>> 7) | (v6 << 25);
    v3 = (v3 + v7 + m6) | 0; vf ^= v3; vf = (vf >>> 16) | (vf << 16); vb = (vb + vf) | 0; v7 ^= vb; v7 = (v7 >>> 12) | (v7 << 20);
    v3 = (v3 + v7 + m7) | 0; vf ^= v3; vf = (vf >>> 8) | (vf << 24); vb = (vb + vf) | 0; v7 ^= vb; v7 = (v7 >>> 7) | (v7 << 25);
    // Diagonals.
    v0 = (v0 + v5 + m8) | 0; vf ^= v0; vf = (vf >>> 16) | (vf << 16); va = (va + vf) | 0; v5 ^= va; v5 = (v5 >>> 12) | (v5 << 20);
    v0 = (v0 + v5 + m9) | 0; vf ^= v0; vf = (vf >>> 8) | (vf << 24); va = (va + vf) | 0; v5 ^= va; v5 = (v5 >>> 7) | (v5 << 25);
    v1 = (v1 + v6 + ma) | 0; vc ^= v1; vc = (vc >>> 16) | (vc << 16); vb = (vb + vc) | 0; v6 ^= vb; v6 = (v6 >>> 12) | (v6 << 20);
    v1 = (v1 + v6 + mb) | 0; vc ^= v1; vc = (vc >>> 8) | (vc << 24); vb = (vb + vc) | 0; v6 ^= vb; v6 = (v6 >>> 7) | (v6 << 25);
    v2 = (v2 + v7 + mc) | 0; vd ^= v2; vd = (vd >>> 16) | (vd << 16); v8 = (v8 + vd) | 0; v7 ^= v8; v7 = (v7 >>> 12) | (v7 << 20);
    v2 = (v2 + v7 + md) | 0; vd ^= v2; vd = (vd >>> 8) | (vd << 24); v8 = (v8 + vd) | 0; v7 ^= v8; v7 = (v7 >>> 7) | (v7 << 25);
    v3 = (v3 + v4 + me) | 0; ve ^= v3; ve = (ve >>> 16) | (ve << 16); v9 = (v9 + ve) | 0; v4 ^= v9; v4 = (v4 >>> 12) | (v4 << 20);
    v3 = (v3 + v4 + mf) | 0; ve ^= v3; ve = (ve >>> 8) | (ve << 24); v9 = (v9 + ve) | 0; v4 ^= v9; v4 = (v4 >>> 7) | (v4 << 25);
    if (round === ROUNDS) break;
    // The message's words change places: 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8.
    const a = m0, b = m1, c = m5, d = m8;
    m0 = m2; m2 = m3; m3 = ma; ma = mc; mc = m9; m9 = mb; mb = c; m5 = a; m1 = m6; m6 = m4; m4 = m7; m7 = md; md = me; me = mf; mf = d; m8 = b;
  }
  cv[at] = v0 ^ v8; cv[at + 1] = v1 ^ v9; cv[at + 2] = v2 ^ va; cv[at + 3] = v3 ^ vb;
  cv[at + 4] = v4 ^ vc; cv[at + 5] = v5 ^ vd; cv[at + 6] = v6 ^ ve; cv[at + 7] = v7 ^ vf;
}

const words = new Uint32Array(16);
const wordBytes = new Uint8Array(words.buffer);

function chunk(data, from, to, counter, flags, cv, at) {
  cv.set(IV, at);
  const [low, high] = [counter % 2 ** 32, Math.floor(counter / 2 ** 32)];
  let start = START;
  for (let place = from; ; place += 64) {
    const length = Math.min(64, to - place);
    if (length < 64) wordBytes.fill(0);
    wordBytes.set(data.subarray(place, place + length));
    const last = place + 64 >= to;
    compress(cv, at, words, low, high, length, start | (last ? END | flags : 0));
    start = 0;
    if (last) return;
  }
}

/** Two chaining values, one behind the other in `cv`, into one in the place of the first. */
function parent(cv, at, flags) {
  words.set(cv.subarray(at, at + 16));
  cv.set(IV, at);
  compress(cv, at, words, 0, 0, 64, PARENT | flags);
}

const stack = new Uint32Array(8 * 64);

/** Of a part of a file, by the number of its first chunk. */
function subtree(data, from, to, counter, flags, at) {
  const chunks = Math.ceil((to - from) / CHUNK);
  if (chunks <= 1) return chunk(data, from, to, counter, flags, stack, at);
  let left = 1;
  while (left * 2 < chunks) left *= 2;
  subtree(data, from, from + left * CHUNK, counter, 0, at);
  subtree(data, from + left * CHUNK, to, counter + left, 0, at + 8);
  return parent(stack, at, flags);
}

function of(data, counter, flags) {
  subtree(data, 0, data.length, counter, flags, 0);
  return new Uint8Array(stack.slice(0, 8).buffer);
}

/** Of these bytes as a whole: 32 bytes. */
export const hash = (data) => of(data, 0, ROOT);

/** Of a block of a file of this size. */
export const hashBlock = (size, index, data) => (size <= BLOCK || !data.length ? hash(data) : of(data, index * (BLOCK / CHUNK), 0));

export const blocks = (size) => Math.ceil(size / BLOCK);
export const blockSize = (size, index) => Math.max(0, Math.min(BLOCK, size - index * BLOCK));

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

/** 64 digits as 32 bytes; null where they are none. */
export const fromHex = (text) => (typeof text === "string" && /^[0-9a-fA-F]{64}$/.test(text) ? Uint8Array.from(text.match(/../g), (two) => parseInt(two, 16)) : null);

/** The blocks of a file that are there, from the first on. */
export class Tree {
  #hashes = [];

  get count() { return this.#hashes.length; }
  push(hash) { this.#hashes.push(hash); }

  /** Names all the blocks so far. */
  prefix() {
    const all = new Uint8Array(32 * this.count);
    this.#hashes.forEach((one, at) => all.set(one, 32 * at));
    return hash(all);
  }

  /** The hash of the file whose blocks these are. */
  root() {
    const all = this.#hashes;
    if (!all.length) return hash(new Uint8Array());
    const merge = (from, to, flags) => {
      if (to - from === 1) return all[from];
      let left = 1;
      while (left * 2 < to - from) left *= 2;
      const both = new Uint32Array(16);
      const bytes = new Uint8Array(both.buffer);
      bytes.set(merge(from, from + left, 0));
      bytes.set(merge(from + left, to, 0), 32);
      parent(both, 0, flags);
      return bytes.slice(0, 32);
    };
    return merge(0, all.length, ROOT);
  }
}
