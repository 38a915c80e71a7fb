// What this browser can send and receive, from a connection that is thrown away.
import { carriedIds, draftName, isHelper, param, sameCodec } from "./codecs.js";
import { eat } from "./sdp.js";
import { copy } from "./tools.js";

const PC = globalThis.RTCPeerConnection;

export const native = { audio: [], video: [], extensions: { audio: [], video: [] } };

async function learn() {
  const pc = new PC();
  try {
    pc.addTransceiver("audio", { direction: "sendrecv" });
    pc.addTransceiver("video", { direction: "sendrecv" });
    const sections = eat((await pc.createOffer()).sdp);
    for (const { media, codecs, extensions } of sections) {
      native[media] = codecs;
      native.extensions[media] = extensions;
    }
  } finally {
    pc.close();
  }
}

/** One entry for each codec and profile that is worth telling. */
export function told(codecs, helpers) {
  const kept = [];
  for (const codec of codecs) {
    const name = draftName(codec.name);
    if (isHelper(codec) && !helpers.includes(name)) continue;
    if (name === "h264" && !(param(codec, "packetization-mode") === "1" && /^42e0/i.test(param(codec, "profile-level-id") ?? ""))) continue;
    if (name === "vp9" && (param(codec, "profile-id") ?? "0") !== "0") continue;
    if (name === "av1" && (param(codec, "profile") ?? "0") !== "0") continue;
    if (name !== "rtx" && kept.some((other) => sameCodec(other, codec))) continue;
    kept.push(codec);
  }
  const ids = new Set(kept.map((codec) => String(codec["payload-id"])));
  const useful = kept.filter((codec) => draftName(codec.name) !== "rtx" || ids.has(param(codec, "apt")));
  const rank = (codec) => (isHelper(codec) ? 1 : 0);
  return renumber(useful.sort((a, b) => rank(a) - rank(b)));
}

// Payload ids of what this page sends: the same in every page, and away from 96 upwards, where
// other peers are wont to begin. In a BUNDLE group an id should mean one codec (RFC 8843 section
// 9.1), or a browser gives another one to what it receives.
const PAYLOAD_IDS = { vp8: 35, h264: 37, vp9: 39, av1: 41, h265: 43, opus: 50, "dtmf/48000": 51, "dtmf/8000": 52, red: 53, ulpfec: 54 };

function renumber(codecs) {
  const moved = new Map();
  const own = ({ name, clockRate, "payload-id": id }) => PAYLOAD_IDS[name] ?? PAYLOAD_IDS[`${name}/${clockRate}`] ?? id;
  for (const codec of codecs) moved.set(String(codec["payload-id"]), own(codec));
  return copy(codecs).map((codec) => {
    const repaired = codec.name === "rtx" && moved.get(param(codec, "apt"));
    const carried = carriedIds(codec).map((id) => moved.get(id));
    if (carried.length && carried.every((id) => id !== undefined)) {
      return { ...codec, "payload-id": own(codec), params: [{ name: carried.join("/") }] };
    }
    if (!repaired) return { ...codec, "payload-id": own(codec) };
    return { ...codec, "payload-id": repaired + 1, params: [{ name: "apt", value: String(repaired) }] };
  });
}

/** What this browser can send and receive. */
export function getRTCCapabilities() {
  return {
    audioCodecs: told(native.audio, ["dtmf", "cn", "red"]),
    videoCodecs: told(native.video, ["rtx", "red", "ulpfec"]),
    headerExtensions: copy([...native.extensions.audio, ...native.extensions.video].filter(
      (one, at, all) => all.findIndex((other) => other.uri === one.uri) === at,
    )),
  };
}

/** The codec of this name, or null; `name` is the draft's or the registered one. */
export function getRTCCodec(name) {
  const { audioCodecs, videoCodecs } = getRTCCapabilities();
  return [...audioCodecs, ...videoCodecs].find((codec) => codec.name === draftName(name)) ?? null;
}

if (PC) await learn();
