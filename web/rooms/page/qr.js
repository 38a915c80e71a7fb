// QR codes (ISO/IEC 18004): bytes, correction level M, versions 1 to 10, which carry 213 bytes.

// Of each version: codewords of correction a block, and blocks as pairs of how many and how many data codewords.
const BLOCKS = [
  [10, [[1, 16]]], [16, [[1, 28]]], [26, [[1, 44]]], [18, [[2, 32]]], [24, [[2, 43]]], [16, [[4, 27]]], [18, [[4, 31]]],
  [22, [[2, 38], [2, 39]]], [22, [[3, 36], [2, 37]]], [26, [[4, 43], [1, 44]]],
];
const ALIGNED = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

// -- Reed-Solomon over GF(256) with the polynomial 0x11d

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let at = 0, value = 1; at < 255; at++) {
  EXP[at] = EXP[at + 255] = value;
  LOG[value] = at;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

function correction(data, count) {
  let generator = [1];
  for (let at = 0; at < count; at++) {
    const next = [...generator, 0];
    generator.forEach((factor, place) => { next[place + 1] ^= times(factor, EXP[at]); });
    generator = next;
  }
  const rest = [...data, ...new Array(count).fill(0)];
  data.forEach((_, at) => {
    const lead = rest[at];
    if (lead) generator.forEach((factor, place) => { rest[at + place] ^= times(factor, lead); });
  });
  return rest.slice(data.length);
}

// -- What the modules carry

function codewords(bytes, version) {
  const [count, groups] = BLOCKS[version - 1];
  const sizes = groups.flatMap(([blocks, size]) => new Array(blocks).fill(size));
  const room = sizes.reduce((sum, size) => sum + size, 0);
  const bits = [];
  const put = (value, length) => { for (let at = length - 1; at >= 0; at--) bits.push((value >> at) & 1); };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, room * 8 - bits.length));
  put(0, (8 - (bits.length % 8)) % 8);
  const data = [];
  for (let at = 0; at < bits.length; at += 8) data.push(bits.slice(at, at + 8).reduce((value, bit) => value * 2 + bit, 0));
  for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11) data.push(pad);

  let from = 0;
  const blocks = sizes.map((size) => data.slice(from, (from += size)));
  const corrections = blocks.map((block) => correction(block, count));
  const across = (lists) => Array.from({ length: Math.max(...lists.map(({ length }) => length)) }, (_, at) => lists.filter(({ length }) => at < length).map((list) => list[at])).flat();
  return [...across(blocks), ...across(corrections)];
}

/** BCH: the value with its remainder behind it. */
function bch(value, generator, length) {
  const degree = 31 - Math.clz32(generator);
  let rest = value << degree;
  for (let at = length - 1; at >= degree; at--) if (rest & (1 << at)) rest ^= generator << (at - degree);
  return (value << degree) | rest;
}

// -- Where they stand

const MASKS = [
  (x, y) => (x + y) % 2 === 0, (x, y) => y % 2 === 0, (x) => x % 3 === 0, (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0, (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0, (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

class Grid {
  constructor(version) {
    this.version = version;
    this.size = 17 + 4 * version;
    this.dark = Array.from({ length: this.size }, () => new Array(this.size).fill(false));
    this.fixed = Array.from({ length: this.size }, () => new Array(this.size).fill(false));
    this.#patterns();
  }

  set(x, y, dark) {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.dark[y][x] = dark;
    this.fixed[y][x] = true;
  }

  #square(x, y, half, ring) {
    for (let dy = -half; dy <= half; dy++) for (let dx = -half; dx <= half; dx++) this.set(x + dx, y + dy, ring(Math.max(Math.abs(dx), Math.abs(dy))));
  }

  #patterns() {
    const { size, version } = this;
    for (let at = 0; at < size; at++) {
      this.set(at, 6, at % 2 === 0);
      this.set(6, at, at % 2 === 0);
    }
    for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) this.#square(x, y, 4, (far) => far !== 2 && far !== 4);
    const places = ALIGNED[version - 1];
    for (const x of places) for (const y of places) {
      const corner = (x === 6 && y === 6) || (x === 6 && y === size - 7) || (x === size - 7 && y === 6);
      if (!corner) this.#square(x, y, 2, (far) => far !== 1);
    }
    if (version < 7) return;
    const bits = bch(version, 0x1f25, 18);
    for (let at = 0; at < 18; at++) {
      const [a, b] = [size - 11 + (at % 3), Math.floor(at / 3)];
      this.set(a, b, Boolean((bits >> at) & 1));
      this.set(b, a, Boolean((bits >> at) & 1));
    }
  }

  format(mask) {
    const { size } = this;
    const bits = bch(mask, 0x537, 15) ^ 0x5412; // Level M is 00.
    const bit = (at) => Boolean((bits >> at) & 1);
    for (let at = 0; at < 6; at++) this.set(8, at, bit(at));
    this.set(8, 7, bit(6));
    this.set(8, 8, bit(7));
    this.set(7, 8, bit(8));
    for (let at = 9; at < 15; at++) this.set(14 - at, 8, bit(at));
    for (let at = 0; at < 8; at++) this.set(size - 1 - at, 8, bit(at));
    for (let at = 8; at < 15; at++) this.set(8, size - 15 + at, bit(at));
    this.set(8, size - 8, true);
  }

  /** In pairs of columns from the right, up and down in turn. */
  fill(words) {
    let at = 0;
    for (let right = this.size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      for (let step = 0; step < this.size; step++) {
        const y = ((right + 1) & 2) === 0 ? this.size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.fixed[y][x]) continue;
          this.dark[y][x] = at < words.length * 8 && Boolean((words[at >> 3] >> (7 - (at & 7))) & 1);
          at++;
        }
      }
    }
  }

  mask(rule) {
    for (let y = 0; y < this.size; y++) for (let x = 0; x < this.size; x++) if (!this.fixed[y][x] && rule(x, y)) this.dark[y][x] = !this.dark[y][x];
  }

  /** How hard it is to read: the four rules of section 7.8.3. */
  get penalty() {
    const { size, dark } = this;
    const rows = dark.map((row) => row.map(Number).join(""));
    const columns = rows.map((_, x) => rows.map((row) => row[x]).join(""));
    let sum = 0;
    for (const line of [...rows, ...columns]) {
      for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
      for (let at = 0; at + 11 <= size; at++) if (["10111010000", "00001011101"].includes(line.slice(at, at + 11))) sum += 40;
    }
    for (let y = 0; y + 1 < size; y++) for (let x = 0; x + 1 < size; x++) {
      if (dark[y][x] === dark[y][x + 1] && dark[y][x] === dark[y + 1][x] && dark[y][x] === dark[y + 1][x + 1]) sum += 3;
    }
    const share = (rows.join("").split("1").length - 1) / (size * size);
    return sum + Math.floor(Math.abs(share * 100 - 50) / 5) * 10;
  }
}

/** The modules, row by row, true where dark; null where the text is too long. */
export function qr(text) {
  const bytes = new TextEncoder().encode(text);
  const fits = ([, groups], at) => groups.reduce((sum, [blocks, size]) => sum + blocks * size, 0) >= bytes.length + (at < 9 ? 2 : 3);
  const version = BLOCKS.findIndex(fits) + 1;
  if (!version) return null;
  const words = codewords(bytes, version);
  const tries = MASKS.map((rule, mask) => {
    const grid = new Grid(version);
    grid.format(mask);
    grid.fill(words);
    grid.mask(rule);
    return grid;
  });
  return tries.reduce((best, grid) => (grid.penalty < best.penalty ? grid : best)).dark;
}

/** The same as a picture. */
export function qrPicture(text) {
  const modules = qr(text);
  if (!modules) return null;
  const size = modules.length + 8; // with the quiet zone
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("shape-rendering", "crispEdges");
  path.setAttribute("d", modules.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x + 4} ${y + 4}h1v1h-1z`] : []))).join(""));
  svg.append(path);
  return svg;
}
