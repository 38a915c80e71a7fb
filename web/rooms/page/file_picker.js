// Files that the user chose: by a picker, dropped, pasted, with folders; as `{ path, file, handle }`.
import { $ } from "../../page/dom.js";

const MOST = 100_000;

async function* walk(handle, path) {
  if (handle.kind === "file") return void (yield { path, file: await handle.getFile(), handle });
  let any = false;
  for await (const [name, child] of handle.entries()) {
    any = true;
    yield* walk(child, [...path, name]);
  }
  if (!any) yield { path, folder: true };
}

const readAll = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

/** The older way to folders, which all browsers have. */
async function* walkEntry(entry, path) {
  if (entry.isFile) return void (yield { path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
  const reader = entry.createReader();
  let any = false;
  for (let page = await readAll(reader); page.length; page = await readAll(reader)) {
    any = true;
    for (const child of page) yield* walkEntry(child, [...path, child.name]);
  }
  if (!any) yield { path, folder: true };
}

async function collect(walks) {
  const items = [];
  for (const one of walks) for await (const item of one) if (items.push(item) > MOST) throw new Error(`more than ${MOST} files at once`);
  return items;
}

/** Of what was dropped or pasted. */
export async function fromTransfer(data) {
  const files = [...data.items].filter(({ kind }) => kind === "file");
  // All are asked for before the first await: the list is empty after it.
  const asked = files.map((item) => ({ handle: item.getAsFileSystemHandle?.().catch(() => null), entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const walks = [];
  for (const { handle, entry, file } of asked) {
    const found = await handle;
    if (found) walks.push(walk(found, [found.name]));
    else if (entry) walks.push(walkEntry(entry, [entry.name]));
    else if (file) walks.push([{ path: [file.name], file }]);
  }
  return collect(walks);
}

export const fromInput = (input) => [...input.files].map((file) => ({ path: (file.webkitRelativePath || file.name).split("/"), file }));

/** `got(items, error)` is told of each choice; `may()` says whether any is wanted now. */
export function begin(got, may) {
  const take = (items) => items.then((found) => found.length && got(found), (error) => got([], error));
  for (const id of ["#choose-files", "#choose-folder"]) {
    const input = $(`${id}-input`);
    input.onchange = () => {
      const items = fromInput(input);
      input.value = "";
      take(Promise.resolve(items));
    };
    $(id).onclick = () => pick(id, input, take);
  }
  addEventListener("paste", (event) => {
    if (!may() || !event.clipboardData?.files.length) return;
    event.preventDefault();
    take(fromTransfer(event.clipboardData));
  });
  const carries = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  let depth = 0;
  const show = (on) => { $("#drop").hidden = !on; };
  addEventListener("dragenter", (event) => carries(event) && may() && (depth++, show(true)));
  addEventListener("dragleave", (event) => carries(event) && may() && (depth = Math.max(0, depth - 1)) === 0 && show(false));
  // Whatever is dropped where it is not wanted must not take the page's place.
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    if (may()) take(fromTransfer(event.dataTransfer));
  });
}

async function pick(id, input, take) {
  const { showOpenFilePicker, showDirectoryPicker } = globalThis;
  // Handles outlive a reload of the page.
  if (!showOpenFilePicker || navigator.webdriver) return input.click();
  try {
    const handles = id === "#choose-folder" ? [await showDirectoryPicker()] : await showOpenFilePicker({ multiple: true });
    take(collect(handles.map((handle) => walk(handle, [handle.name]))));
  } catch (error) {
    if (error.name !== "AbortError") input.click();
  }
  return undefined;
}
