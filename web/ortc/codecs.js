// Codecs: their names, every accepted spelling of them, and whether two of them can talk to each other.
import { fail, word } from "./tools.js";

const DRAFT_NAMES = { pcmu: "ulaw", pcma: "alaw", "telephone-event": "dtmf", "flexfec-03": "flexfec" };
export const IANA_NAMES = {
  opus: "opus", ulaw: "PCMU", alaw: "PCMA", g722: "G722", dtmf: "telephone-event", cn: "CN",
  vp8: "VP8", vp9: "VP9", h264: "H264", h265: "H265", av1: "AV1", rtx: "rtx", red: "red",
  ulpfec: "ulpfec", flexfec: "flexfec-03",
};
const ALIASES = { hevc: "h265", av1x: "av1" };
const CLOCK_RATES = { opus: 48000, ulaw: 8000, alaw: 8000, g722: 8000, dtmf: 8000, cn: 8000 };
const HELPERS = new Set(["rtx", "red", "ulpfec", "flexfec", "cn", "dtmf"]);

export const draftName = (name) => {
  const lower = String(name).toLowerCase();
  return DRAFT_NAMES[lower] ?? ALIASES[lower] ?? lower;
};

/** The parameters of a codec as browsers list it. */
export const readFmtp = (line) =>
  String(line ?? "").split(";").map((text) => text.trim()).filter(Boolean).map((text) => {
    const [name, ...value] = text.split("=");
    return value.length ? { name: name.trim(), value: value.join("=").trim() } : { name };
  });

/** Any accepted spelling of a codec to the draft's. */
export function readCodec(raw) {
  const id = Number(raw["payload-id"] ?? raw.payloadId ?? raw.payloadType ?? raw.preferredPayloadType);
  if (!Number.isInteger(id) || id < 0 || id > 127 || (id >= 64 && id <= 95)) {
    throw fail("InvalidAccessError", "payload-id must be 0 to 127 and not 64 to 95");
  }
  const [, mimeKind, mimeName] = /^(audio|video)\/(.+)$/i.exec(raw.mimeType ?? "") ?? [];
  const name = word(raw.name ?? mimeName, "codec name");
  const codec = { "payload-id": id, name };
  const kind = raw.kind ?? mimeKind?.toLowerCase();
  if (kind) codec.kind = String(kind);
  const rate = raw.clockRate ?? raw.hzRate;
  if (rate) codec.clockRate = Number(rate);
  const channels = raw.numChannels ?? raw.channels;
  if (channels) codec.numChannels = Number(channels);
  // The final specification has an object; a flag has no value there.
  const given = raw.params ?? raw.parameters ?? readFmtp(raw.sdpFmtpLine);
  const pairs = Array.isArray(given) ? given : Object.entries(given).map(([name, value]) => ({ name, value: typeof value === "boolean" ? Number(value) : value }));
  const params = pairs.map((param) => ({
    name: word(param.name, "codec parameter"),
    ...(param.value === undefined || param.value === null ? {} : { value: word(param.value, "codec parameter") }),
  }));
  if (params.length) codec.params = params;
  return codec;
}

export const param = (codec, name) => {
  const found = (codec.params ?? []).find((one) => one.name.toLowerCase() === name);
  return found && String(found.value ?? "");
};
/** The payload ids that redundant audio (RFC 2198) carries: `111/111` in `a=fmtp`. */
export const carriedIds = (codec) => (draftName(codec.name) === "red" ? codec.params?.[0]?.name.split("/") ?? [] : []);
export const clockRate = (codec) => codec.clockRate ?? CLOCK_RATES[draftName(codec.name)] ?? 90000;
export const isHelper = (codec) => HELPERS.has(draftName(codec.name));

/** Whether two codecs can talk to each other. */
export function sameCodec(a, b) {
  const name = draftName(a.name);
  if (name !== draftName(b.name) || clockRate(a) !== clockRate(b)) return false;
  const same = (key, absent) => (param(a, key) ?? absent) === (param(b, key) ?? absent);
  if (name === "h264") {
    const profile = (codec) => (param(codec, "profile-level-id") ?? "42e01f").toLowerCase().slice(0, 4);
    return same("packetization-mode", "0") && profile(a) === profile(b);
  }
  if (name === "vp9") return same("profile-id", "0");
  if (name === "av1") return same("profile", "0");
  return true;
}

/** Of the codecs described, those that the browser offers, under the ids that it has for them now. */
export function agreed(described, offered) {
  const found = described.flatMap((codec) => {
    const same = (one) => one["payload-id"] === codec["payload-id"] && sameCodec(one, codec);
    const match = offered.find(same) ?? (draftName(codec.name) !== "rtx" && offered.find((one) => sameCodec(one, codec)));
    return match ? [match] : [];
  });
  return [...new Set(found)];
}
