// The disk and the hashes, away from the page: files that come are kept in the origin's private file
// system, block by block, so that they are there after the page was closed; files that go are read.
import { BLOCK, Tree, blockSize, blocks, hashBlock, same } from "./blake3.js";

const FOLDER = "ortc files";
const stores = new Map(); // name → Store

const codeOf = ({ name }) => ({ QuotaExceededError: "diskFull", NotFoundError: "notFound", NoModificationAllowedError: "exists", NotReadableError: "sourceChanged", NotAllowedError: "permission" })[name] ?? "io";

/** A file that grows in this folder, and the hashes of its blocks beside it. */
class DiskPart {
  #data;
  #hashes;

  static async open(folder, file, size) {
    const part = new DiskPart();
    const handle = async (name) => (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
    part.#data = await handle(String(file));
    try {
      part.#hashes = await handle(`${file}.blocks`);
    } catch (error) {
      part.#data.close();
      throw error;
    }
    part.size = size;
    part.tree = new Tree();
    part.#check();
    return part;
  }

  /** What is there counts as far as it is what it was. */
  #check() {
    const buffer = new Uint8Array(BLOCK);
    const kept = new Uint8Array(32);
    const most = Math.min(blocks(this.size), Math.floor(this.#hashes.getSize() / 32));
    for (let index = 0; index < most; index++) {
      const data = buffer.subarray(0, blockSize(this.size, index));
      if (this.#data.read(data, { at: index * BLOCK }) < data.length || this.#hashes.read(kept, { at: 32 * index }) < 32) break;
      if (!same(hashBlock(this.size, index, data), kept)) break;
      this.tree.push(kept.slice());
    }
    this.#cut();
  }

  #cut() {
    this.#data.truncate(Math.min(this.size, this.tree.count * BLOCK));
    this.#hashes.truncate(32 * this.tree.count);
  }

  restart() {
    this.tree = new Tree();
    this.#cut();
  }

  push(hash, data) {
    const index = this.tree.count;
    if (this.#data.write(data, { at: index * BLOCK }) < data.length) throw Object.assign(new Error("no space is left"), { name: "QuotaExceededError" });
    this.#data.flush();
    // Only what is on the disk counts.
    this.#hashes.write(hash, { at: 32 * index });
    this.#hashes.flush();
    this.tree.push(hash);
  }

  close() {
    this.#data.close();
    this.#hashes.close();
  }
}

/** The same in memory, for browsers without a private file system. */
class MemoryPart {
  pieces = [];
  tree = new Tree();

  constructor(size) { this.size = size; }

  restart() {
    this.pieces = [];
    this.tree = new Tree();
  }

  push(hash, data) {
    this.pieces.push(data);
    this.tree.push(hash);
  }

  close() {}
}

class Store {
  #folder;
  #parts = new Map();
  #whole = new Map(); // in memory: complete files

  constructor(folder, sizes) {
    this.#folder = folder;
    this.sizes = sizes;
  }

  async #part(file) {
    if (!this.#parts.has(file)) this.#parts.set(file, this.#folder ? await DiskPart.open(this.#folder, file, this.sizes[file]) : new MemoryPart(this.sizes[file]));
    return this.#parts.get(file);
  }

  async prepare({ file }) {
    const { tree } = await this.#part(file);
    return { from: tree.count, hash: tree.count ? tree.prefix() : null };
  }

  async begin({ file, from }) {
    const part = await this.#part(file);
    if (from !== part.tree.count) part.restart();
    if (from !== part.tree.count) throw Object.assign(new Error("a block that was not asked for"), { code: "malformed" });
  }

  async write({ file, hash, data }) {
    const part = await this.#part(file);
    const good = same(hashBlock(part.size, part.tree.count, data), hash);
    if (good) part.push(hash, data);
    return { good, index: part.tree.count };
  }

  /** It is complete if its hash is this. */
  async end({ file, hash }) {
    const part = await this.#part(file);
    if (part.tree.count !== blocks(part.size) || !same(part.tree.root(), hash)) throw Object.assign(new Error("another file than its blocks"), { code: "malformed" });
    part.close();
    if (!this.#folder) this.#whole.set(file, new Blob(part.pieces));
    this.#parts.delete(file);
  }

  /** In memory alone: the file. */
  whole({ file }) { return this.#whole.get(file) ?? null; }

  async giveUp({ file }) {
    this.#parts.get(file)?.close();
    this.#parts.delete(file);
    for (const name of [String(file), `${file}.blocks`]) await this.#folder?.removeEntry(name).catch(() => {});
  }

  close() {
    for (const part of this.#parts.values()) part.close();
    this.#parts.clear();
  }
}

async function folderOf(name) {
  const root = await navigator.storage.getDirectory();
  return (await root.getDirectoryHandle(FOLDER, { create: true })).getDirectoryHandle(name, { create: true });
}

const DOES = {
  async open({ name, sizes, disk }) {
    stores.get(name)?.close();
    stores.set(name, new Store(disk ? await folderOf(name) : null, sizes));
  },
  close({ name }) {
    stores.get(name)?.close();
    stores.delete(name);
  },
  async readBlock({ file, size, index }) {
    if (file.size !== size) throw Object.assign(new Error("it is another file by now"), { code: "sourceChanged" });
    const from = index * BLOCK;
    const data = new Uint8Array(await file.slice(from, from + blockSize(size, index)).arrayBuffer());
    return { data, hash: hashBlock(size, index, data) };
  },
  async hashesOf({ file, size, count }) {
    const tree = new Tree();
    while (tree.count < count) tree.push((await DOES.readBlock({ file, size, index: tree.count })).hash);
    return tree.prefix();
  },
};

async function answer({ id, what, args }) {
  try {
    const store = what in DOES ? null : stores.get(args.name);
    if (!store && !(what in DOES)) throw new Error("nothing is open under this name");
    const result = store ? await store[what](args) : await DOES[what](args);
    postMessage({ id, result }, result?.data ? [result.data.buffer] : []);
  } catch (error) {
    postMessage({ id, error: { code: error.code && typeof error.code === "string" ? error.code : codeOf(error), message: error.message } });
  }
}

// What concerns one transfer is done in its order.
const turns = new Map();
onmessage = ({ data }) => {
  const turn = data.args.name ?? data.id;
  const next = (turns.get(turn) ?? Promise.resolve()).then(() => answer(data)).then(() => { if (turns.get(turn) === next) turns.delete(turn); });
  turns.set(turn, next);
};
