// Shows a file that came: pictures, sound, film, text, PDF. Nothing of it is run: the type is this
// page's, what is no picture and no film is shown as letters.
import { $, element } from "../../page/dom.js";

const TEXT = 1024 * 1024; // bytes that are shown
const PICTURES = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", avif: "image/avif", bmp: "image/bmp", svg: "image/svg+xml" };
const SOUNDS = { mp3: "audio/mpeg", ogg: "audio/ogg", oga: "audio/ogg", opus: "audio/ogg", wav: "audio/wav", flac: "audio/flac", m4a: "audio/mp4" };
const FILMS = { mp4: "video/mp4", webm: "video/webm", mkv: "video/x-matroska", mov: "video/mp4", ogv: "video/ogg" };
const TEXTS = /^(txt|md|csv|tsv|json|xml|html?|xhtml|css|js|mjs|ts|rs|py|c|h|cpp|java|go|rb|sh|toml|ya?ml|ini|log|diff|patch|tex|srt|vtt|ics)$/;

const endOf = (name) => (/\.([A-Za-z0-9]+)$/.exec(name)?.[1] ?? "").toLowerCase();

export function kindOf(name) {
  const end = endOf(name);
  for (const [kind, types] of Object.entries({ image: PICTURES, audio: SOUNDS, video: FILMS })) if (Object.hasOwn(types, end)) return { kind, type: types[end] };
  if (end === "pdf") return { kind: "pdf", type: "application/pdf" };
  return TEXTS.test(end) ? { kind: "text", type: "text/plain" } : null;
}

let url = null;
let turned = 0;

async function shownAs({ kind, type }, file, name) {
  if (kind === "text") {
    const text = await file.slice(0, TEXT).text();
    return element("pre", { textContent: file.size > TEXT ? `${text}\n…` : text, tabIndex: 0 });
  }
  // A blob under a type of ours, whatever the bytes are. A picture runs no script, neither does SVG as one.
  url = URL.createObjectURL(file.slice(0, file.size, type));
  if (kind === "image") return element("img", { src: url, alt: name });
  if (kind === "pdf") {
    if ((await file.slice(0, 5).text()) !== "%PDF-") return element("p", { textContent: "This is no PDF." });
    return element("iframe", { src: url, title: name });
  }
  return element(kind, { src: url, controls: true, autoplay: true });
}

export async function view(name, file) {
  shut();
  const shown = await shownAs(kindOf(name), file, name);
  shown.onerror = () => $("#viewer-body").replaceChildren(element("p", { textContent: "The browser cannot show this file. It can be saved." }));
  $("#viewer-name").textContent = name;
  $("#viewer-body").replaceChildren(shown);
  $("#turn").hidden = shown.localName !== "img";
  $("#viewer-full").hidden = !document.fullscreenEnabled || shown.localName === "pre";
  turn(0);
  $("#viewer").showModal();
}

function turn(to) {
  turned = to % 4;
  $("#viewer-body").dataset.turned = turned;
}

export function shut() {
  $("#viewer-body").replaceChildren();
  if (url) URL.revokeObjectURL(url);
  url = null;
  if ($("#viewer").open) $("#viewer").close();
}

$("#turn").onclick = () => turn(turned + 1);
$("#viewer-full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : $("#viewer-body").requestFullscreen().catch(() => {}));
$("#viewer-shut").onclick = shut;
$("#viewer").addEventListener("close", shut);
