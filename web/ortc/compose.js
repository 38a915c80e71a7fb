// Composing the descriptions of the peer as a browser wants them. Needs no browser.
import { agreed, carriedIds, clockRate, draftName, IANA_NAMES, isHelper, param, sameCodec } from "./codecs.js";
import { MID, TRANSPORT_CC } from "./extensions.js";

/**
 * The whole of a description. `side` is the peer's, `setup` its DTLS role in answers; `sections` are,
 * in their order, `{ media, mid, rejected, codecs, extensions }` as the browser has them, and beside
 * this `numbers` (header extensions that are only numbered), `receive` (the description of a track that comes from the peer, and its `rank` among them) or
 * `send` (what is sent there: `{ codecs, encodings, extensions, active }`).
 */
export function compose({ type, version, side, setup, sections }) {
  const extensions = chooseExtensions(type, sections);
  const transport = (mid) => [
    "c=IN IP4 0.0.0.0",
    `a=mid:${mid}`,
    `a=ice-ufrag:${side.ufrag}`,
    `a=ice-pwd:${side.pwd}`,
    "a=ice-options:trickle",
    ...side.fingerprints.map(([algorithm, value]) => `a=fingerprint:${algorithm} ${value}`),
    `a=setup:${type === "offer" ? "actpass" : setup}`,
  ];
  const media = (kind, mid, codecs, direction, lines = []) => {
    const used = extensions.get(mid) ?? [];
    const transportCc = used.some(({ uri }) => uri === TRANSPORT_CC);
    return [
      `m=${kind} 9 UDP/TLS/RTP/SAVPF ${codecs.map((codec) => codec["payload-id"]).join(" ")}`,
      ...transport(mid),
      "a=rtcp-mux",
      "a=rtcp-rsize",
      `a=${direction}`,
      ...used.map(({ uri, id }) => `a=extmap:${id} ${uri}`),
      ...codecs.flatMap((codec) => [...codecLines(codec), ...feedbackLines(kind, codec, transportCc)]),
      ...lines,
    ];
  };
  const data = (mid) => [
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...transport(mid),
    "a=sctp-port:5000",
    `a=max-message-size:${side.maxMessageSize}`,
  ];
  const describe = ({ media: kind, mid, rejected, codecs = [], receive, send }, at) => {
    if (kind === "application") return data(mid);
    if (rejected) return [`m=${kind} 0 UDP/TLS/RTP/SAVPF 0`, "c=IN IP4 0.0.0.0", `a=mid:${mid}`, "a=inactive"];
    // The first section carries the transport, and never media.
    if (at === 0 || !(receive || send)) return media(at === 0 ? "audio" : kind, mid, codecs.slice(0, 1), "inactive");
    if (receive) {
      const wanted = type === "offer" ? receive.codecs : agreed(receive.codecs, codecs);
      return media(receive.kind, mid, wanted, "sendonly", sourceLines(receive, mid));
    }
    const lines = send.encodings ? simulcastLines(send.encodings) : [];
    return media(kind, mid, useful(send.codecs, codecs), send.active ? "recvonly" : "inactive", lines);
  };
  const bundled = sections.filter(({ media, rejected }) => media === "application" || !rejected).map(({ mid }) => mid);
  return [
    "v=0",
    `o=- 1 ${version} IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    // RFC 8839 section 5.3: the browser controls then.
    ...(side.lite ? ["a=ice-lite"] : []),
    `a=group:BUNDLE ${bundled.join(" ")}`,
    "a=msid-semantic: WMS *",
    "a=extmap-allow-mixed",
    ...sections.flatMap(describe),
    "",
  ].join("\r\n");
}

/** Of the codecs that are to be sent, those that the browser offers; what stands on another goes with it. */
function useful(wanted, offered) {
  const codecs = wanted.filter((codec) => offered.some((other) => sameCodec(codec, other)));
  const ids = new Set(codecs.map((codec) => String(codec["payload-id"])));
  return codecs.filter((codec) =>
    (draftName(codec.name) !== "rtx" || ids.has(param(codec, "apt"))) && carriedIds(codec).every((id) => ids.has(id)));
}

/** RFC 8843 section 9: an id means one extension in all sections; what the peer sends has priority. */
function chooseExtensions(type, sections) {
  const uris = new Map();
  const ids = new Map();
  const fits = ({ uri, id }) => {
    if ((uris.has(id) && uris.get(id) !== uri) || (ids.has(uri) && ids.get(uri) !== id)) return false;
    uris.set(id, uri);
    ids.set(uri, id);
    return true;
  };
  const known = (section) => ({ uri, id }) => (section.extensions ?? []).some((one) => one.uri === uri && one.id === id);
  const chosen = new Map();
  for (const section of sections.filter(({ receive, rejected }) => receive && !rejected).sort((a, b) => a.rank - b.rank)) {
    const { headerExtensions, muxId } = section.receive;
    const usable = headerExtensions.filter(({ uri }) => uri !== MID || section.mid === muxId);
    chosen.set(section.mid, (type === "answer" ? usable.filter(known(section)) : usable).filter(fits));
  }
  for (const { mid, numbers } of sections.filter((section) => section.numbers)) chosen.set(mid, numbers.filter(fits));
  for (const section of sections.filter(({ send }) => send)) {
    chosen.set(section.mid, section.send.extensions.filter(known(section)).filter(fits));
  }
  return chosen;
}

/** `a=rtpmap` and `a=fmtp` of a codec. */
function codecLines(codec) {
  const id = codec["payload-id"];
  const name = draftName(codec.name);
  // RFC 7587 section 7: opus is always announced as 48000/2.
  const channels = name === "opus" ? 2 : codec.numChannels;
  const lines = [
    `a=rtpmap:${id} ${IANA_NAMES[name] ?? codec.name}/${clockRate(codec)}${channels > 1 ? `/${channels}` : ""}`,
  ];
  const params = (codec.params ?? []).map((one) => (one.value === undefined ? one.name : `${one.name}=${one.value}`));
  if (params.length) lines.push(`a=fmtp:${id} ${params.join(";")}`);
  return lines;
}

function feedbackLines(kind, codec, transportCc) {
  if (isHelper(codec)) return [];
  const kinds = kind === "video" ? ["nack", "nack pli", "ccm fir", "goog-remb"] : [];
  if (transportCc) kinds.push("transport-cc");
  return kinds.map((feedback) => `a=rtcp-fb:${codec["payload-id"]} ${feedback}`);
}

function sourceLines({ ssrc, rtx, msid, cname }, mid) {
  const lines = msid.length ? msid.map((id) => `a=msid:${id} ${mid}`) : [`a=msid:- ${mid}`];
  if (!ssrc) return lines;
  if (rtx?.ssrc) lines.push(`a=ssrc-group:FID ${ssrc} ${rtx.ssrc}`);
  for (const one of [ssrc, rtx?.ssrc].filter(Boolean)) lines.push(`a=ssrc:${one} cname:${cname ?? "ortc"}`);
  return lines;
}

function simulcastLines(encodings) {
  const rids = encodings.map(({ rid }) => rid);
  return [...rids.map((rid) => `a=rid:${rid} recv`), `a=simulcast:recv ${rids.join(";")}`];
}
