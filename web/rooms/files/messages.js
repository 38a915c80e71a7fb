// What the two sides of a transfer say to each other: spec/files.md.
import { fromHex } from "./blake3.js";

export const LABEL = "rooms.file";
export const PROTOCOL = "ortc-files";
export const VERSION = 1;
export const PIECE = 64 * 1024;
export const WINDOW = 4 * 1024 * 1024;
const TEXT = 64 * 1024;
const MOST = 1024; // bytes of an explanation
const CODES = ["rejected", "cancelled", "lost", "diskFull", "quota", "tooMany", "tooManyOffers", "permission", "readOnly", "notFound", "notAFile", "exists", "sourceChanged", "corrupt", "malformed", "io"];

/** Why a transfer or a file of it ended: `code` as in spec/files.md, `remote` where the other side said so. */
export class FileError extends Error {
  constructor(code, message, remote = false) {
    super(message);
    this.name = "FileError";
    this.code = code;
    this.remote = remote;
  }
}

export const malformed = (what) => new FileError("malformed", `not by the protocol: ${what}`);
export const lost = () => new FileError("lost", "the connection was lost");
export const said = ({ code, message }) => new FileError(CODES.includes(code) ? code : "other", shown(message.slice(0, MOST)), true);

const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\uffff\u{e0000}-\u{e0fff}]/gu;
/** Text of a peer as it may be shown: what could turn or hide it is escaped. */
export const shown = (text) => String(text).replace(UNSEEN, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);

/** A name for one component of a path that means nothing but itself. */
export function sanitised(name) {
  let clean = String(name).replace(UNSEEN, "_").replace(/[/\\:*?"<>|~\u00a0\u2000-\u200a\u2024-\u2026\u2044\u2215\u2216\u29f8\u29f9\u3000\ufe19\ufe52\ufe55\ufe68\uff0e\uff0f\uff1a\uff3c\ua789]/g, "_");
  while (new TextEncoder().encode(clean).length > 200) clean = [...clean].slice(0, -1).join("");
  const kept = clean.replace(/[. ]+$/, "").trimStart();
  clean = kept || "_".repeat(Math.max(1, Math.min(8, clean.length)));
  if (/^(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i.test(clean) || clean.startsWith(".")) clean = `_${clean}`;
  return clean;
}

const whole = (value, most = Number.MAX_SAFE_INTEGER) => Number.isSafeInteger(value) && value >= 0 && value <= most;
const text = (value, most = TEXT) => typeof value === "string" && value.length <= most;
const U32 = 2 ** 32 - 1;
const hex = (value) => fromHex(value) !== null;
const maybe = (test) => (value) => value === undefined || value === null || test(value);
const object = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// What each message has to have.
const FORMS = {
  offer: { version: (v) => whole(v, U32), id: (v) => text(v, 64) && /^[A-Za-z0-9-]+$/.test(v), key: (v) => text(v, 256), entries: (v) => whole(v, U32), bytes: whole },
  offered: {},
  accept: { version: (v) => whole(v, U32), window: whole, files: (v) => whole(v, U32), bytes: whole },
  reject: { code: text, message: text },
  get: { file: (v) => whole(v, U32), from: whole, hash: maybe(hex) },
  begin: { file: (v) => whole(v, U32), from: whole },
  block: { index: whole, size: (v) => whole(v, U32), hash: hex },
  end: { hash: hex },
  took: { bytes: whole, done: whole },
  reset: {},
  done: { file: (v) => whole(v, U32) },
  failed: { file: maybe((v) => whole(v, U32)), code: text, message: text },
  pause: { on: (v) => typeof v === "boolean" },
  unkept: { code: text, message: text },
  cancel: {},
  finished: {},
};
const ENTRY = { path: (v) => Array.isArray(v) && v.every((part) => text(part)), size: whole, modified: maybe(whole), folder: maybe((v) => typeof v === "boolean") };

const fits = (value, form) => object(value) && Object.entries(form).every(([name, test]) => test(value[name]));

/** `[name, content]` of a message. */
export function read(data) {
  if (data.length > TEXT || new Blob([data]).size > TEXT) throw malformed("a text that is too long");
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    throw malformed("no JSON");
  }
  if (!object(message) || Object.keys(message).length !== 1) throw malformed("not one member");
  const [[name, content]] = Object.entries(message);
  const good = name === "entries" ? Array.isArray(content) && content.every((entry) => fits(entry, ENTRY)) : Object.hasOwn(FORMS, name) && fits(content, FORMS[name]);
  if (!good) throw malformed("a message that is none");
  return [name, content];
}

export const write = (name, content = {}) => JSON.stringify({ [name]: content });
export const failedMessage = (error, file) => ["failed", { ...(file !== undefined && { file }), code: error.code ?? "io", message: String(error.message).slice(0, MOST) }];
