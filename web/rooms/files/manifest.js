// What is offered: names and sizes, as the sender says, within bounds.
import { FileError, malformed, shown, VERSION } from "./messages.js";

const MOST = { entries: 100_000, parts: 32, letters: 8 * 1024 * 1024 };

export class Manifest {
  entries = [];
  #letters = 0;
  #sum = 0;

  constructor({ version, id, key, entries, bytes, extra = null }) {
    if (version !== VERSION) throw malformed("another version");
    if (entries > MOST.entries) throw new FileError("tooMany", `${entries} files are too many at once`);
    Object.assign(this, { id, key, bytes, extra, count: entries });
  }

  add(page) {
    if (!page.length || this.entries.length + page.length > this.count) throw malformed("other entries than were announced");
    for (const { path, size, modified, folder = false } of page) {
      if (!path.length || (folder && size)) throw malformed("an entry without a path, or a folder with bytes");
      if (path.length > MOST.parts) throw new FileError("tooMany", "a folder that is too deep");
      for (const part of path) this.#letters += part.length;
      if (this.#letters > MOST.letters) throw new FileError("tooMany", "names that are too long");
      this.#sum += size;
      if (!Number.isSafeInteger(this.#sum)) throw malformed("sizes that are none");
      this.entries.push({ path, size, modified, folder });
    }
  }

  complete() {
    if (this.entries.length !== this.count || this.#sum !== this.bytes) throw malformed("other sizes than were announced");
  }

  /** The files among the entries, by number. */
  get files() { return this.entries.flatMap(({ folder }, file) => (folder ? [] : [file])); }
  name(file) { return shown(this.entries[file].path.join("/")); }

  /** The name of the only root, or how many files there are. */
  get title() { return titleOf(this.entries); }
}

export function titleOf(entries) {
  const [first = ""] = entries[0]?.path ?? [];
  return entries.every(({ path }) => path[0] === first) ? shown(first) : `${entries.length} files`;
}

/** Whether two offers are about the same: then what came of one is gone on with by the other. */
export const alike = (one, other) => one.length === other.length && one.every(({ path, size }, at) => size === other[at].size && path.length === other[at].path.length && path.every((part, n) => part === other[at].path[n]));
