// Recordings left at the server, where it takes them.
import { settings } from "./address.js";
import { sizeInWords } from "./file_row.js";

let taken = null; // what /config.json says: `{ open, most }`

export function begin(config) { taken = config?.recordings ?? null; }

/** Whether the server takes any of this page. */
export const takes = () => Boolean(taken && (taken.open || settings.token));

const words = (request) => {
  try {
    return JSON.parse(request.responseText).error;
  } catch {
    return request.status ? `the server answers ${request.status}` : "the connection was lost";
  }
};

/** `onprogress` is told 0 to 1. Resolves with what the server says of it. `result.abort()` ends it. */
export function leave(room, name, blob, onprogress) {
  const request = new XMLHttpRequest();
  const result = new Promise((resolve, reject) => {
    if (blob.size > taken.most) throw new Error(`it has ${sizeInWords(blob.size)}, and the server takes ${sizeInWords(taken.most)}`);
    request.open("POST", `/recordings?room=${encodeURIComponent(room)}&name=${encodeURIComponent(name)}`);
    if (settings.token) request.setRequestHeader("Authorization", `Bearer ${settings.token}`);
    request.setRequestHeader("Content-Type", blob.type || "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => onprogress(total ? loaded / total : 0);
    request.onload = () => (request.status === 201 ? resolve(JSON.parse(request.responseText)) : reject(new Error(words(request))));
    request.onerror = () => reject(new Error(words(request)));
    request.onabort = () => reject(new Error("stopped"));
    request.send(blob);
  });
  return Object.assign(result, { abort: () => request.abort() });
}
