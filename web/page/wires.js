// The drawer's list of all that crosses, and the proof that it is no SDP.
import { $, element } from "./dom.js";

const MOST = 400; // messages shown
const looksLikeSdp = (text) => /v=0|\bm=(audio|video|application)|\ba=[a-z-]+:/.test(text);

/** One message in a few words; nothing that a peer may send makes it fail. */
function gist(name, value) {
  switch (name) {
    case "candidate": return `${value?.type} ${value?.transport} ${value?.connectionAddress}:${value?.connectionPort}`;
    case "track": {
      const codecs = Array.isArray(value?.codecs) ? value.codecs : [];
      return `${value?.kind} · ${codecs.map((codec) => codec?.name).filter((name) => name !== "rtx").join(", ")}`;
    }
    case "iceInfo": return value?.ice?.usernameFrag ?? "";
    case "say": case "said": {
      const { instance: _, ...body } = value?.body ?? {};
      const [inner = "nothing"] = Object.keys(body);
      return `${inner} · ${gist(inner, body[inner])}`;
    }
    default: return typeof value === "object" ? JSON.stringify(value) : String(value);
  }
}

let count = 0;
let bytes = 0;
let sdp = 0;
let since = 0;

function tell() {
  $("#proof").classList.toggle("bad", sdp > 0);
  $("#proof").textContent = sdp
    ? `${sdp} messages look like SDP!`
    : `${count} messages, ${(bytes / 1024).toFixed(1)} kB, all of the signalling. Not one line of SDP.`;
}

export function clearWires() {
  count = bytes = sdp = 0;
  since = performance.now();
  $("#crossing").replaceChildren();
  tell();
}

/** `way` is "in" or "out". */
export function showMessage(way, text, message) {
  count++;
  bytes += text.length;
  if (looksLikeSdp(text)) sdp++;
  const [name = "nothing"] = Object.keys(message);
  const details = element("details", {}, element(
    "summary", {},
    element("b", { textContent: `${way === "in" ? "←" : "→"} ${name}` }),
    element("span", { textContent: gist(name, message[name]) }),
    element("time", { textContent: `${((performance.now() - since) / 1000).toFixed(2)} s` }),
  ));
  details.addEventListener("toggle", () => details.append(element("pre", { textContent: JSON.stringify(message, null, 2) })), { once: true });
  $("#crossing").append(element("li", { className: way }, details));
  if (count > MOST) $("#crossing").firstChild.remove();
  tell();
}
