// The sender's side of a transfer.
import { blocks, fromHex, same, Tree, toHex } from "./blake3.js";
import { FileError, failedMessage, malformed, PIECE, said, VERSION } from "./messages.js";
import { ask } from "./store.js";
import { titleOf } from "./manifest.js";
import { Transfer } from "./transfer.js";

const ASKED = 64; // files that may be asked for ahead
const PAGE = 48 * 1024; // letters of a page of entries

/** What is sent: entries with their files. `items` are `{ path, file }`, or `{ path, folder: true }`. */
export class Source {
  /** Those who come later are to have it. */
  keep = false;

  constructor(items, key = toHex(crypto.getRandomValues(new Uint8Array(16)))) {
    this.key = key;
    this.files = items.map(({ file }) => file ?? null);
    this.entries = items.map(({ path, file, folder = false }) => ({
      path, size: folder ? 0 : file.size, ...(file?.lastModified && { modified: Math.max(0, Math.round(file.lastModified)) }), ...(folder && { folder }),
    }));
  }

  get bytes() { return this.entries.reduce((sum, { size }) => sum + size, 0); }
  get title() { return titleOf(this.entries); }
}

export class Sending extends Transfer {
  #source;
  #sent = 0;
  #took = 0;
  #window = 0;
  #asked = []; // files that are wanted: { file, from, hash }
  #out = []; // messages and pieces that wait
  #reading = false;
  #current = null; // { file, tree, next, size }
  #epoch = 0;
  #hashes = new Map();
  #strict;
  /** Why the room's hub, which keeps files, does not keep this one: it goes from here to each. */
  unkept = null;

  /** `strict`: what the receiver has must be of the same files, chosen again after this side has forgotten them. */
  constructor(channel, source, fields, strict = false) {
    super(channel, { way: "out", id: crypto.randomUUID(), key: source.key, title: source.title, entries: source.entries, total: source.bytes, files: source.entries.filter(({ folder }) => !folder).length, ...fields });
    this.#source = source;
    this.#strict = strict;
  }

  _opened() {
    const { entries, bytes, key, keep } = this.#source;
    this._say("offer", { version: VERSION, id: this.id, key, entries: entries.length, bytes, ...(keep && { keep }) });
    let [page, letters] = [[], 0];
    for (const entry of entries) {
      const size = new Blob([JSON.stringify(entry)]).size + 1;
      if (page.length && letters + size > PAGE) {
        this._say("entries", page);
        [page, letters] = [[], 0];
      }
      page.push(entry);
      letters += size;
    }
    if (page.length) this._say("entries", page);
    this._say("offered");
  }

  _hear(name, content) {
    switch (name) {
      case "accept": return this.#accepted(content);
      case "reject": throw said(content);
      case "get": return this.#get(content);
      case "took": return this.#tookBytes(content);
      case "reset": return this.#reset();
      case "done": return this.#done(content);
      case "unkept": return this.#unkept(content);
      case "finished": return this._finish();
      default: throw malformed("what only senders say");
    }
  }

  #accepted({ version, window, files, bytes }) {
    if (this.state !== "offered" || version !== VERSION || window < PIECE) throw malformed("accepted twice, or by another version");
    this.#window = window;
    this.total = Math.min(bytes, this.total);
    this.files = Math.min(files, this.files);
    this._began();
  }

  #get({ file, from, hash }) {
    if (!this.#window) throw malformed("a file is wanted of what was not accepted");
    if (this.#asked.length >= ASKED) throw malformed("too many files are wanted at once");
    this.#asked.push({ file, from, hash: hash ? fromHex(hash) : null });
    this._pump();
  }

  #tookBytes({ bytes, done }) {
    if (bytes < this.#took || bytes > this.#sent) throw malformed("more was taken than sent");
    this.#took = bytes;
    this._progress(done);
    this._pump();
  }

  #reset() {
    this.#epoch++;
    this.#out = [];
    this.#asked = [];
    this.#current = null;
    this._say("reset");
  }

  #done({ file }) {
    if (!this.#hashes.has(file)) throw malformed("a file arrived that was not sent");
    this.results.set(file, { name: this.#source.entries[file].path.join("/"), hash: this.#hashes.get(file) });
    this.filesDone++;
    this._changed();
  }

  #unkept(content) {
    this.unkept = said(content);
    this._changed();
  }

  _pump() {
    if (this.over || !this.#window) return;
    while (this.#out.length && !this.paused.here && !this.paused.there && this._room) {
      const [next] = this.#out;
      if (typeof next !== "function") {
        if (this.#sent - this.#took + next.length > this.#window) break;
        this.#sent += next.length;
        this._send(next);
      } else next();
      this.#out.shift();
    }
    if (!this.#out.length && !this.#reading && !(this.paused.here || this.paused.there)) this.#read();
  }

  async #read() {
    const wanted = this.#current ?? this.#asked[0];
    if (!wanted) return;
    this.#reading = true;
    const epoch = this.#epoch;
    const put = (...things) => epoch === this.#epoch && this.#out.push(...things);
    const file = wanted.file;
    try {
      if (!this.#current) {
        const begun = await this.#begin(wanted);
        if (epoch === this.#epoch) this.#current = begun;
        put(() => this._say("begin", { file, from: begun.next }));
        this.current = this.#source.entries[file].path.join("/");
      } else if (wanted.next < blocks(wanted.size)) {
        const index = wanted.next;
        const { data, hash } = await ask("readBlock", { file: this.#source.files[file], size: wanted.size, index });
        wanted.tree.push(hash);
        wanted.next++;
        put(() => this._say("block", { index, size: data.length, hash: toHex(hash) }));
        for (let at = 0; at < data.length; at += PIECE) put(data.subarray(at, at + PIECE));
      } else {
        const hash = toHex(wanted.tree.root());
        this.#over(epoch);
        this.#hashes.set(file, hash);
        put(() => this._say("end", { hash }));
      }
    } catch (error) {
      const known = error instanceof FileError ? error : new FileError("io", error.message);
      this.#over(epoch);
      if (epoch === this.#epoch) this.results.set(file, { name: this.#source.entries[file]?.path.join("/") ?? "", error: known });
      put(() => this._say(...failedMessage(known, file)));
    }
    this.#reading = false;
    this._pump();
  }

  #over(epoch) {
    if (epoch !== this.#epoch) return;
    this.#asked.shift();
    this.#current = null;
  }

  async #begin({ file, from, hash }) {
    const source = this.#source.files[file];
    if (!source) throw new FileError("notFound", "no such file in the offer");
    const { size } = this.#source.entries[file];
    if (source.size !== size) throw new FileError("sourceChanged", "it is another file by now");
    const tree = new Tree();
    if (from > 0 && hash && from <= blocks(size)) {
      while (tree.count < from && !this.over) tree.push((await ask("readBlock", { file: source, size, index: tree.count })).hash);
      if (same(tree.prefix(), hash)) return { file, size, tree, next: from };
      if (this.#strict) throw new FileError("sourceChanged", "this is not the file of before");
    }
    return { file, size, tree: new Tree(), next: 0 };
  }
}
