// What was being sent when the page was closed: names, sizes and, where the browser gives them, handles
// of the files, by which they are found again. Where it does not, they are chosen anew.

const NAME = "ortc files";
const STORE = "sent";

const open = () => new Promise((resolve, reject) => {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function run(mode, work) {
  const base = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = base.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    base.close();
  }
}

/** `{ key, room, to, title, entries, handles }`; a browser that keeps nothing does without. */
export const keepSent = (about) => run("readwrite", (store) => store.put(about)).catch(() => {});
export const forgetSent = (key) => run("readwrite", (store) => store.delete(key)).catch(() => {});
export const allSent = () => run("readonly", (store) => store.getAll()).catch(() => []);

/** The files by their handles, which the user allows again; null where there is one without. */
export async function filesOf({ entries, handles = [] }) {
  const items = [];
  for (const [at, { path, folder }] of entries.entries()) {
    if (folder) {
      items.push({ path, folder });
      continue;
    }
    const handle = handles[at];
    if (!handle) return null;
    if ((await handle.queryPermission?.({ mode: "read" })) !== "granted" && (await handle.requestPermission({ mode: "read" })) !== "granted") return null;
    items.push({ path, file: await handle.getFile() });
  }
  return items;
}

/** Those among chosen files that are wanted, in their order; null where one is missing. */
export function matching({ entries }, chosen) {
  const left = [...chosen];
  const items = [];
  for (const { path, size, folder } of entries) {
    if (folder) {
      items.push({ path, folder });
      continue;
    }
    const fits = (whole) => ({ path: own, file }) => file && file.size === size && (whole ? own.join("/") === path.join("/") : file.name === path.at(-1));
    let at = left.findIndex(fits(true));
    if (at < 0) at = left.findIndex(fits(false));
    if (at < 0) return null;
    const [{ file }] = left.splice(at, 1);
    items.push({ path, file });
  }
  return items;
}
