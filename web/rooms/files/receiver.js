// The receiver's side of a transfer: an offer, and what comes of it once it is accepted.
import { BLOCK, blocks, blockSize, fromHex, toHex } from "./blake3.js";
import { Manifest } from "./manifest.js";
import { FileError, malformed, PIECE, said, VERSION, WINDOW } from "./messages.js";
import { room } from "./store.js";
import { Transfer } from "./transfer.js";

const AHEAD = 16; // files that are asked for
const TELL = 256 * 1024;
const PATIENCE = 60_000; // ms for an offer

export class Receiving extends Transfer {
  #manifest = null;
  #offered;
  #patience;
  #keep = null;
  #queue = [];
  #asked = []; // in order; the first `begun` have begun
  #begun = 0;
  #phase = "normal";
  #current = null; // { file, size, next }
  #assembly = null; // { size, hash, data, at }
  #received = 0;
  #took = 0;
  #reported = 0;
  #resetAt = 0; // reported when the sender was to forget what was asked for
  #complete = 0;
  #partial = 0;
  #again = new Set();
  #jobs = Promise.resolve();
  #finishing = false;

  constructor(channel, fields) {
    super(channel, { way: "in", id: "", key: "", title: "", entries: [], total: 0, files: 0, ...fields });
    /** Resolves once the offer is read, with this. */
    this.offer = new Promise((resolve, reject) => { this.#offered = { resolve, reject }; });
    this.offer.catch(() => {});
    this.#patience = setTimeout(() => this._fail(malformed("an offer without an end")), PATIENCE);
  }

  _over() {
    clearTimeout(this.#patience);
    this.#offered.reject(this.error);
    const keep = this.#keep;
    // What is not complete is thrown away, unless the line was lost.
    this.#jobs = this.#jobs.then(async () => {
      if (!keep) return;
      await keep.close();
      if (this.error && this.error.code !== "lost") await keep.prune();
    }).catch(() => {});
    this.closed = this.#jobs;
  }

  reject(why = "not wanted", code = "rejected") {
    if (this.over || this.#keep) return;
    this._say("reject", { code, message: why });
    this._finish(new FileError("rejected", "refused"));
  }

  /** Takes it, into `keep`. */
  async accept(keep) {
    if (this.over || this.#keep) return;
    this.#keep = keep;
    this.keep = keep;
    const { files, entries } = this.#manifest;
    const there = files.filter((file) => keep.has(file));
    const missing = files.filter((file) => !keep.has(file));
    try {
      const left = await room();
      const wanted = missing.reduce((sum, file) => sum + entries[file].size, 0);
      if (wanted > left) throw new FileError("quota", `${wanted} bytes are more than this browser keeps (${left})`);
      await keep.open();
    } catch (error) {
      return void this._fail(error);
    }
    if (this.over) return void keep.close();
    // What is complete is not asked for: as far as the sender knows it is not wanted.
    this.files = missing.length;
    this.total = missing.reduce((sum, file) => sum + entries[file].size, 0);
    for (const file of there) this.results.set(file, { name: this.#manifest.name(file), hash: keep.about.done[file] });
    this.#queue = missing;
    this._say("accept", { version: VERSION, window: WINDOW, files: this.files, bytes: this.total });
    this._began();
    this._later(() => this.#ask());
  }

  _hear(name, content) {
    if (!this.#keep) return this.#hearOffer(name, content);
    const wanted = this.#phase === "normal";
    switch (name) {
      case "reset":
        if (wanted) throw malformed("what no sender says now");
        return this.#rewind();
      case "begin": return wanted && this.#begin(content);
      case "block": return wanted && this.#block(content);
      case "end": return wanted && this.#end(content);
      case "failed": return wanted && this.#failed(content);
      default: throw malformed("what no sender says now");
    }
  }

  #hearOffer(name, content) {
    if (name === "offer" && !this.#manifest) this.#manifest = new Manifest(content);
    else if (name === "entries" && this.#manifest) this.#manifest.add(content);
    else if (name === "offered" && this.#manifest && !this.entries.length) {
      clearTimeout(this.#patience);
      this.#manifest.complete();
      const { id, key, title, entries, bytes, files, extra } = this.#manifest;
      this.from ??= extra;
      Object.assign(this, { id, key, title, entries, total: bytes, files: files.length });
      this.#offered.resolve(this);
    } else throw malformed("no offer");
  }

  /** Work of the store, in order; an error ends the transfer. */
  #job(work) { this.#jobs = this.#jobs.then(() => this.over || work()).catch((error) => this._fail(error)); }

  #ask() {
    while (this.#phase === "normal" && this.#asked.length < AHEAD && this.#queue.length) {
      const file = this.#queue.shift();
      this.#asked.push(file);
      this.#job(() => this.#prepare(file));
    }
    if (this.#queue.length || this.#asked.length || this.#finishing) return;
    this.#finishing = true;
    this.#job(async () => {
      await this.#keep.finish();
      this.#tell(true);
      this._say("finished");
      this._finish();
    });
  }

  async #prepare(file) {
    const { from, hash } = await this.#keep.ask("prepare", { file });
    if (this.#phase === "normal") this._say("get", { file, from, ...(hash && { hash: toHex(hash) }) });
  }

  #begin({ file, from }) {
    if (this.#current || this.#asked[this.#begun] !== file) throw malformed("a file out of turn");
    this.#begun++;
    const { size } = this.entries[file];
    this.#current = { file, size, next: from };
    this.#job(async () => {
      await this.#keep.ask("begin", { file, from });
      this.#partial = Math.min(size, from * BLOCK);
      this.kept += this.#partial;
      this.current = this.#manifest.name(file);
      this._progress(this.#complete + this.#partial);
    });
  }

  #block({ index, size, hash }) {
    const { file, size: all, next } = this.#current ?? {};
    if (file === undefined || this.#assembly || index !== next || !size || size !== blockSize(all, index)) throw malformed("a block out of turn");
    this.#current.next++;
    this.#assembly = { size, hash: fromHex(hash), data: new Uint8Array(size), at: 0 };
  }

  _piece(bytes) {
    this.#received += bytes.length;
    if (!this.#keep || bytes.length > PIECE || this.#received - this.#reported > WINDOW) throw malformed("more than was asked for");
    if (this.#phase !== "normal") {
      // What was on its way when the reset was said, and no more.
      if (this.#received - this.#resetAt > WINDOW) throw malformed("more of what is not wanted");
      this.#took += bytes.length;
      return this.#tell();
    }
    const assembly = this.#assembly;
    if (!assembly || assembly.at + bytes.length > assembly.size) throw malformed("bytes of no block");
    assembly.data.set(bytes, assembly.at);
    assembly.at += bytes.length;
    if (assembly.at < assembly.size) return undefined;
    this.#assembly = null;
    const { file } = this.#current;
    this.#job(() => this.#write(file, assembly));
    return undefined;
  }

  async #write(file, { hash, data, size }) {
    if (this.#phase !== "normal") {
      this.#took += size;
      return this.#tell();
    }
    const { good, index } = await this.#keep.ask("write", { file, hash, data }, [data.buffer]);
    this.#took += size;
    if (good) {
      this.#partial += size;
      this._progress(this.#complete + this.#partial);
    }
    this.#tell();
    if (good) return;
    const name = `${file} ${index}`;
    if (this.#again.has(name)) throw new FileError("corrupt", "a block did not arrive as it was sent, twice");
    this.#again.add(name);
    this.#phase = "resetting";
    this.#resetAt = this.#reported;
    this._say("reset");
  }

  /** The sender has forgotten what was asked for: it is asked for again. */
  #rewind() {
    this.#took += this.#assembly?.at ?? 0;
    this.#assembly = this.#current = null;
    this.#begun = 0;
    this.#job(() => {
      this.#phase = "normal";
      for (const file of this.#asked) this.#job(() => this.#prepare(file));
    });
  }

  #end({ hash }) {
    const current = this.#current;
    if (!current || this.#assembly || current.next !== blocks(current.size)) throw malformed("an end too early");
    this.#current = null;
    this.#job(async () => {
      if (this.#phase !== "normal") return;
      await this.#keep.ask("end", { file: current.file, hash: fromHex(hash) });
      await this.#keep.note(current.file, hash);
      this.#arrived(current.file, hash);
    });
  }

  #arrived(file, hash) {
    if (this.#asked[0] === file) {
      this.#asked.shift();
      this.#begun = Math.max(0, this.#begun - 1);
    }
    this.#complete += this.entries[file].size;
    this.#partial = 0;
    this.filesDone++;
    this.results.set(file, { name: this.#manifest.name(file), hash });
    this._say("done", { file });
    this._changed();
    this.received?.(file);
    this.#ask();
  }

  #failed({ file, ...why }) {
    if (this.#current && this.#current.file !== file) throw malformed("the end of another file");
    const at = this.#current ? this.#begun - 1 : this.#begun;
    if (this.#asked[at] !== file) throw malformed("the end of another file");
    this.#asked.splice(at, 1);
    this.#begun = at;
    this.#took += this.#assembly?.at ?? 0;
    this.#assembly = this.#current = null;
    this.results.set(file, { name: this.#manifest.name(file), error: said(why) });
    this.#job(async () => {
      await this.#keep.ask("giveUp", { file });
      this.#ask();
    });
  }

  #tell(last = false) {
    if (!last && this.#took - this.#reported < TELL) return;
    this.#reported = this.#took;
    this._say("took", { bytes: this.#took, done: this.#complete + this.#partial });
  }
}
