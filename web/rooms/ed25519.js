// The group of Ed25519 (RFC 8032 section 5.1), as much of it as SPAKE2 needs. Not in constant time: a
// page that others could time so finely could read its password as well.

const P = 2n ** 255n - 19n;
/** The order of the base point. */
export const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (value, by = P) => ((value % by) + by) % by;

function power(base, exponent) {
  let result = 1n;
  for (let factor = mod(base); exponent > 0n; exponent >>= 1n, factor = (factor * factor) % P) if (exponent & 1n) result = (result * factor) % P;
  return result;
}
const inverse = (value) => power(value, P - 2n);

const D = mod(-121665n * inverse(121666n));
const ROOT = power(2n, (P - 1n) / 4n); // of -1

/** Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. */
const ZERO = [0n, 1n, 1n, 0n];

export function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * t1 * t2 * D);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

export function times(point, scalar) {
  let result = ZERO;
  for (let rest = mod(scalar, ORDER), factor = point; rest > 0n; rest >>= 1n, factor = add(factor, factor)) if (rest & 1n) result = add(result, factor);
  return result;
}

export const fromBytes = (bytes) => [...bytes].reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
const toBytes = (value) => Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));

export function encode([x, y, z]) {
  const by = inverse(z);
  return toBytes(mod(y * by) | ((mod(x * by) & 1n) << 255n));
}

/** The point, or null where there is none (RFC 8032 section 5.1.3). */
export function decode(bytes) {
  if (bytes.length !== 32) return null;
  const all = fromBytes(bytes);
  const y = mod(all & (2n ** 255n - 1n));
  const odd = all >> 255n;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  const square = mod(v * x * x);
  if (square === mod(-u)) x = mod(x * ROOT);
  else if (square !== u) return null;
  if (x === 0n && odd) return null;
  if ((x & 1n) !== odd) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

const fromHex = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
export const BASE = decode(fromHex("5866666666666666666666666666666666666666666666666666666666666666"));
/** Points of which nobody knows the logarithm, as python-spake2 and the crate spake2 have them. */
export const M = decode(fromHex("15cfd18e385952982b6a8f8c7854963b58e34388c8e6dae891db756481a02312"));
export const N = decode(fromHex("f04f2e7eb734b2a8f8b472eaf9c3c632576ac64aea650b496a8a20ff00e583c3"));
