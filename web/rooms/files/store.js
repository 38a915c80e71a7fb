// Where files that come are kept, and what is known of them: one folder an offer in the origin's
// private file system, named by the hash of the offer's key. Names of peers name nothing there.
import { hash, toHex } from "./blake3.js";
import { FileError } from "./messages.js";

const FOLDER = "ortc files";
const ABOUT = "offer.json";
/** Bytes that are kept where there is no private file system. */
export const MEMORY = 256 * 1024 * 1024;

let worker = null;
let asked = 0;
const waiting = new Map();

/** Asks the worker. */
export function ask(what, args, transfer = []) {
  if (!worker) {
    worker = new Worker(new URL("./store_worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (error) reject(new FileError(error.code, error.message));
      else resolve(result);
    };
    worker.onerror = (event) => {
      event.preventDefault?.();
      for (const { reject } of waiting.values()) reject(new FileError("io", `the browser cannot keep files: ${event.message ?? "no worker"}`));
      waiting.clear();
      worker = null;
    };
  }
  const id = ++asked;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, what, args }, transfer);
  });
}

const root = async () => {
  const origin = await navigator.storage.getDirectory();
  return origin.getDirectoryHandle(FOLDER, { create: true });
};

let probe = null;
/** Whether this browser has a private file system; without, files are in memory and gone with the page. */
export const onDisk = () => (probe ??= (async () => {
  try {
    await root();
    return true;
  } catch {
    return false;
  }
})());

/** Bytes that may still come. */
export async function room() {
  if (!(await onDisk())) return MEMORY;
  const { quota = Infinity, usage = 0 } = (await navigator.storage.estimate?.().catch(() => ({}))) ?? {};
  return Math.max(0, quota - usage);
}

export const nameOf = (key) => toHex(hash(new TextEncoder().encode(key)));

async function writeText(folder, name, text) {
  const handle = await folder.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(text);
  await stream.close();
}

/** What is known of an offer: `entries`, `from`, `title`, `at`, and `done`, the hashes of complete files by number. */
export class Keep {
  #memory = new Map();

  constructor(name, about, disk) {
    Object.assign(this, { name, about, disk });
  }

  static async find(key) {
    const name = nameOf(key);
    await leaving.get(name);
    if (inMemory.has(name)) return inMemory.get(name);
    return (await onDisk()) ? Keep.load(name) : null;
  }

  static async load(name) {
    try {
      const folder = await (await root()).getDirectoryHandle(name);
      const about = JSON.parse(await (await (await folder.getFileHandle(ABOUT)).getFile()).text());
      return Array.isArray(about.entries) ? new Keep(name, about, true) : null;
    } catch {
      return null;
    }
  }

  static async create(key, about) {
    const keep = new Keep(nameOf(key), { ...about, at: Date.now(), done: {} }, await onDisk());
    if (!keep.disk) inMemory.set(keep.name, keep);
    await keep.#write();
    return keep;
  }

  /** All that are there, the newest first. */
  static async all() {
    const found = [...inMemory.values()];
    if (await onDisk()) {
      for await (const [name, handle] of (await root()).entries()) {
        if (handle.kind !== "directory") continue;
        const keep = await Keep.load(name);
        if (keep) found.push(keep);
      }
    }
    return found.sort((a, b) => b.about.at - a.about.at);
  }

  get complete() { return this.about.entries.every(({ folder }, file) => folder || this.has(file)) || this.about.finished === true; }
  has(file) { return Object.hasOwn(this.about.done, file); }

  async #write() {
    if (!this.disk) return;
    const folder = await (await root()).getDirectoryHandle(this.name, { create: true });
    await writeText(folder, ABOUT, JSON.stringify(this.about));
  }

  open() { return ask("open", { name: this.name, disk: this.disk, sizes: this.about.entries.map(({ size }) => size) }); }
  close() { return ask("close", { name: this.name }); }
  ask(what, args, transfer) { return ask(what, { name: this.name, ...args }, transfer); }

  async note(file, hash) {
    this.about.done[file] = hash;
    if (!this.disk) this.#memory.set(file, await this.ask("whole", { file }));
    await this.#write();
  }

  async finish() {
    this.about.finished = true;
    await this.#write();
  }

  /** A complete file; its type is for the viewer to decide. */
  async file(number) {
    if (!this.disk) return this.#memory.get(number) ?? null;
    const folder = await (await root()).getDirectoryHandle(this.name);
    return (await folder.getFileHandle(String(number))).getFile();
  }

  /** Throws away what is not complete. */
  async prune() {
    if (!Object.keys(this.about.done).length) return this.remove();
    if (this.disk) {
      const folder = await (await root()).getDirectoryHandle(this.name);
      for (const [file] of this.about.entries.entries()) {
        if (!this.has(file)) for (const name of [String(file), `${file}.blocks`]) await folder.removeEntry(name).catch(() => {});
      }
    }
    return this.finish();
  }

  /** Whoever looks for it meanwhile waits, and does not find it. */
  remove() {
    const gone = this.#remove().finally(() => leaving.get(this.name) === gone && leaving.delete(this.name));
    leaving.set(this.name, gone);
    return gone;
  }

  async #remove() {
    inMemory.delete(this.name);
    await this.close().catch(() => {});
    if (!this.disk) return;
    const folder = await root();
    // What is open somewhere, be it for a moment, cannot be removed.
    for (let times = 0; times < 10; times++) {
      try {
        return await folder.removeEntry(this.name, { recursive: true });
      } catch (error) {
        if (error.name === "NotFoundError") return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

const leaving = new Map(); // name → ends once it is gone

const inMemory = new Map();
