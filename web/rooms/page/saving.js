// Files that came, out of the browser's store: as downloads, or by a place that the user picks.
import { element } from "../../page/dom.js";
import { sanitised } from "../files/messages.js";

export function download(name, file) {
  // As bytes: no browser opens that in the page's place.
  const url = URL.createObjectURL(file.slice(0, file.size, "application/octet-stream"));
  element("a", { href: url, download: sanitised(name) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** With the folders that it came with, where the browser lets a page write to the disk. */
export const savesFolders = () => typeof globalThis.showDirectoryPicker === "function";

export async function saveAll(keep) {
  const root = await showDirectoryPicker({ mode: "readwrite" });
  for (const [number, { path, folder }] of keep.about.entries.entries()) {
    if (!folder && !keep.has(number)) continue;
    const names = path.map(sanitised);
    let place = root;
    for (const name of folder ? names : names.slice(0, -1)) place = await place.getDirectoryHandle(name, { create: true });
    if (folder) continue;
    const name = await freeName(place, names.at(-1));
    const file = await keep.file(number);
    await file.stream().pipeTo(await (await place.getFileHandle(name, { create: true })).createWritable());
  }
}

/** Nothing is written over. */
async function freeName(place, name) {
  const [, stem, end] = /^(.+?)(\.[^.]*)?$/.exec(name);
  for (let at = 0; ; at++) {
    const tried = at ? `${stem} (${at})${end ?? ""}` : name;
    try {
      await place.getFileHandle(tried);
    } catch (error) {
      if (error.name === "NotFoundError") return tried;
      if (error.name !== "TypeMismatchError") throw error;
    }
  }
}
