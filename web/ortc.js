// The Object RTC API of September 2013 for browsers, over RTCPeerConnection.
//
// What crosses between two peers is JSON: a side (ICE credentials and DTLS fingerprint), candidates
// and track descriptions, in the same form as the Rust crate `ortc` has it. Session descriptions
// are made and eaten in here. The rules:
//
// * Only remote descriptions are composed; local ones go back into the browser as it made them.
// * Every section of the session sends or receives, never both. What this page sends is offered by
//   the browser and answered by `compose`; what it receives is offered by `compose` and answered
//   by the browser, with the sender's own payload ids, SSRCs and stream ids.
// * So negotiation happens inside this page alone, one step after the other: it needs no message,
//   and glare cannot happen.
// * ICE roles are left to the tie-breaker; the DTLS roles follow from the credentials, which both
//   sides know: the greater (usernameFrag, password) is the server.

const PC = globalThis.RTCPeerConnection;
const SPARE = 2; // Prepared senders of each kind, so that a new track is described at once.
// Firefox takes new credentials of the peer only with new ones of its own (RFC 8839 section 4.4.1.1.1
// has both sides change); Chromium takes them alone, as the Rust crate does.
const BOTH_RESTART = /Firefox\//.test(globalThis.navigator?.userAgent ?? "");
const RESTART_PATIENCE = 1000; // ms in which the peer may answer a restart with one of its own
const MAX_EARLY_CHANNELS = 1000;
const MAX_RECEIVED = 128; // tracks
const SOURCE_TIMEOUT = 10_000; // ms without RTP until a track is disconnected
const MID = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const SENT_EXTENSIONS = [
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  "urn:3gpp:video-orientation",
  TRANSPORT_CC,
];

const fail = (name, message) => new DOMException(message, name);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
/** A copy without members that are null, which count as absent. */
const withoutNulls = (value) => JSON.parse(JSON.stringify(value, (_, inner) => {
  if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
  return Object.fromEntries(Object.entries(inner).filter(([, member]) => member !== null));
}));
const list = (value) => (value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]);
/** Text that may stand in a line of a session description. */
const word = (value, what) => {
  const text = String(value);
  if (!/^[\x21-\x7e]{1,512}$/.test(text)) throw fail("InvalidAccessError", `${what} is malformed`);
  return text;
};

/** What people pass that know WebRTC with session descriptions is called by its name. */
function refuseForeign(raw, wanted, ...readable) {
  const text = typeof raw === "string" ? raw.trim() : null;
  const candidate = /^(a=)?candidate:/.test(text ?? raw?.candidate ?? "");
  const described = (value) => typeof value?.sdp === "string" || ["offer", "answer", "pranswer", "rollback"].includes(value?.type);
  let found = null;
  let inText = null;
  if (text?.startsWith("{")) {
    try {
      inText = JSON.parse(text);
    } catch {
      // A string like any other.
    }
  }
  const around = ["description", "desc", "sdp", "offer", "answer", "jsep"].map((name) => raw?.[name]);
  const description = [raw, inText, ...around].find(described);
  if (text?.startsWith("v=0")) found = "a session description in SDP, and this API has no SDP";
  else if (description) {
    found = `an RTCSessionDescription (${description.type ?? "no type"}), and this API has no SDP`;
  } else if (inText) found = "a string with JSON in it";
  else if (typeof raw?.iceInfo === "object" && (raw.iceInfo?.ice || raw.iceInfo?.dtls)) {
    found = "a message around its member 'iceInfo'";
  } else if (candidate && !readable.includes("candidate")) found = "an ICE candidate as browsers signal it";
  else if (typeof raw?.candidate === "object" && raw.candidate) found = "a message around its member 'candidate'";
  else if (typeof raw?.track === "object" && raw.track && !raw.kind) found = "a message around its member 'track'";
  else if (typeof raw !== "object" || raw === null) {
    if (!(candidate && readable.includes("candidate"))) found = raw === null || raw === undefined ? String(raw) : `a ${typeof raw}`;
  }
  else if (Array.isArray(raw)) found = "an array";
  if (found) throw fail("InvalidAccessError", `this is ${found}; wanted is ${wanted}`);
}

// ---------------------------------------------------------------------------------------------
// Events

class RTCEvent extends Event {
  constructor(type, fields = {}) {
    super(type);
    Object.assign(this, fields);
  }
}

/** An EventTarget with `on...` handlers; events in `kept` wait for their first listener. */
class Target extends EventTarget {
  #handlers = {};
  #heard = new Set();
  #kept = {};

  constructor(names, kept = []) {
    super();
    for (const name of kept) this.#kept[name] = [];
    for (const name of names) {
      super.addEventListener(name, (event) => this.#handlers[name]?.call(this, event));
      Object.defineProperty(this, `on${name}`, {
        enumerable: true,
        get: () => this.#handlers[name] ?? null,
        set: (handler) => {
          this.#handlers[name] = typeof handler === "function" ? handler : null;
          if (this.#handlers[name]) this.#release(name);
        },
      });
    }
  }

  addEventListener(name, ...rest) {
    super.addEventListener(name, ...rest);
    this.#release(name);
  }

  #release(name) {
    if (this.#heard.has(name)) return;
    queueMicrotask(() => {
      this.#heard.add(name);
      for (const event of this.#kept[name]?.splice(0) ?? []) this.dispatchEvent(event);
    });
  }

  _emit(name, fields) {
    const event = new RTCEvent(name, fields);
    if (this.#kept[name] && !this.#heard.has(name)) this.#kept[name].push(event);
    else this.dispatchEvent(event);
  }
}

/** Events on the browser's own objects, which know no handlers of these names. */
function emitOn(object, name, fields) {
  const event = new RTCEvent(name, fields);
  object.dispatchEvent(event);
  object[`on${name}`]?.(event);
}

// ---------------------------------------------------------------------------------------------
// Codecs

const DRAFT_NAMES = { pcmu: "ulaw", pcma: "alaw", "telephone-event": "dtmf", "flexfec-03": "flexfec" };
const IANA_NAMES = {
  opus: "opus", ulaw: "PCMU", alaw: "PCMA", g722: "G722", dtmf: "telephone-event", cn: "CN",
  vp8: "VP8", vp9: "VP9", h264: "H264", h265: "H265", av1: "AV1", rtx: "rtx", red: "red",
  ulpfec: "ulpfec", flexfec: "flexfec-03",
};
const ALIASES = { hevc: "h265", av1x: "av1" };
const CLOCK_RATES = { opus: 48000, ulaw: 8000, alaw: 8000, g722: 8000, dtmf: 8000, cn: 8000 };
const HELPERS = new Set(["rtx", "red", "ulpfec", "flexfec", "cn", "dtmf"]);

const draftName = (name) => {
  const lower = String(name).toLowerCase();
  return DRAFT_NAMES[lower] ?? ALIASES[lower] ?? lower;
};

/** The parameters of a codec as browsers list it. */
const readFmtp = (line) =>
  String(line ?? "").split(";").map((text) => text.trim()).filter(Boolean).map((text) => {
    const [name, ...value] = text.split("=");
    return value.length ? { name: name.trim(), value: value.join("=").trim() } : { name };
  });

/** Any accepted spelling of a codec to the draft's. */
function readCodec(raw) {
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

const param = (codec, name) => {
  const found = (codec.params ?? []).find((one) => one.name.toLowerCase() === name);
  return found && String(found.value ?? "");
};
/** The payload ids that redundant audio (RFC 2198) carries: `111/111` in `a=fmtp`. */
const carriedIds = (codec) => (draftName(codec.name) === "red" ? codec.params?.[0]?.name.split("/") ?? [] : []);
const clockRate = (codec) => codec.clockRate ?? CLOCK_RATES[draftName(codec.name)] ?? 90000;
const isHelper = (codec) => HELPERS.has(draftName(codec.name));

/** Whether two codecs can talk to each other. */
function sameCodec(a, b) {
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

// ---------------------------------------------------------------------------------------------
// Eating the browser's own descriptions

function eat(sdp) {
  const [head, ...bodies] = sdp.split(/\r?\n(?=m=)/);
  const read = (text) => {
    const lines = text.split(/\r?\n/);
    const all = (name) => lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));
    return { lines, all, one: (name) => all(name)[0] };
  };
  const session = read(head);
  const sections = bodies.map((body) => {
    const { lines, all, one } = read(body);
    const [, media, port, , formats] = /^m=(\S+) (\d+) (\S+) (.*)$/.exec(lines[0]);
    const codecs = formats.split(" ").flatMap((format) => {
      const map = all("rtpmap").find((line) => line.startsWith(`${format} `));
      if (!map) return [];
      const [name, rate, channels] = map.slice(format.length + 1).split("/");
      const fmtp = all("fmtp").find((line) => line.startsWith(`${format} `))?.slice(format.length + 1);
      const codec = { "payload-id": Number(format), name: draftName(name) };
      if (codec.name === "dtmf") codec.kind = "dtmf";
      codec.clockRate = Number(rate);
      if (channels) codec.numChannels = Number(channels);
      const params = (fmtp ?? "").split(";").map((text) => text.trim()).filter(Boolean).map((text) => {
        const at = text.indexOf("=");
        return at < 0 ? { name: text } : { name: text.slice(0, at), value: text.slice(at + 1) };
      });
      if (params.length) codec.params = params;
      return [codec];
    });
    const sources = [...new Set(all("ssrc").map((line) => line.split(" ")[0]))];
    const pairs = all("ssrc-group").filter((line) => line.startsWith("FID ")).map((line) => line.split(" ").slice(1));
    return {
      media,
      mid: one("mid"),
      // RFC 8843 section 6: port 0 with bundle-only is alive.
      rejected: port === "0" && !lines.includes("a=bundle-only"),
      codecs,
      extensions: all("extmap").map((line) => {
        const [id, uri] = line.split(" ");
        return { uri, id: parseInt(id, 10) };
      }),
      ssrc: sources[0],
      rtx: pairs.find(([media]) => media === sources[0])?.[1],
      cname: all("ssrc").map((line) => /cname:(\S+)/.exec(line)?.[1]).find(Boolean),
      ufrag: one("ice-ufrag") ?? session.one("ice-ufrag"),
      pwd: one("ice-pwd") ?? session.one("ice-pwd"),
      fingerprints: all("fingerprint").length ? all("fingerprint") : session.all("fingerprint"),
    };
  });
  return sections;
}

/** The side that a local description of the browser stands for. */
function sideOf(sections) {
  const { ufrag, pwd, fingerprints } = sections.find((section) => section.ufrag && !section.rejected);
  const fingerprint = {};
  for (const line of fingerprints) {
    const [algorithm, value] = line.split(" ");
    fingerprint[algorithm.toLowerCase()] = value;
  }
  return { ice: { usernameFrag: ufrag, password: pwd }, dtls: { fingerprint } };
}

// ---------------------------------------------------------------------------------------------
// The peer's side

const ICE_CHARS = /^[A-Za-z0-9+/]+$/;

function readFingerprints(raw) {
  if (!raw) return null;
  const pairs = [];
  const add = (algorithm, value) => {
    const text = String(value).toUpperCase();
    if (!/^[0-9A-F]{2}(:[0-9A-F]{2})+$/.test(text)) throw fail("InvalidAccessError", "a fingerprint is malformed");
    pairs.push([word(algorithm, "hash function").toLowerCase(), text]);
  };
  const one = (entry) => {
    if (typeof entry === "string") add(...entry.trim().split(/\s+/));
    else if (entry.algorithm) add(entry.algorithm, entry.value);
    else for (const [name, values] of Object.entries(entry)) list(values).forEach((value) => add(name, value));
  };
  list(raw).forEach(one);
  return pairs.length ? pairs : null;
}

/** Any accepted spelling of a side; members that are not known yet are null. */
function readSide(raw) {
  const ice = raw?.ice ?? raw?.iceInfo ?? raw ?? {};
  const most = raw?.sctp?.maxMessageSize ?? (raw?.sctp ? 65536 : 262144);
  if (!Number.isSafeInteger(most) || most < 0) throw fail("InvalidAccessError", "sctp.maxMessageSize must be a number of bytes");
  const pick = (...values) => values.find((value) => value !== undefined && value !== null && value !== "") ?? null;
  return {
    ufrag: pick(ice.usernameFrag, ice.iceUsernameFrag, ice.usernameFragment, ice.ufrag, ice["context-id"]),
    pwd: pick(ice.password, ice.icePassword, ice.pwd, ice.secret),
    fingerprints: readFingerprints(
      pick(raw?.dtls?.fingerprint, raw?.dtls?.fingerprints, raw?.fingerprint, raw?.fingerprints),
    ),
    role: pick(raw?.dtls?.role),
    lite: [raw?.iceLite, ice.iceLite, ice.lite].includes(true),
    // RFC 8841 section 6: 0 stands for any.
    maxMessageSize: most,
  };
}

function checkSide(side) {
  const { ufrag, pwd } = side;
  if (ufrag.length < 4 || ufrag.length > 256 || !ICE_CHARS.test(ufrag)) {
    throw fail("InvalidAccessError", "usernameFrag must have 4 to 256 letters, digits, '+' or '/'");
  }
  if (pwd.length < 22 || pwd.length > 256 || !ICE_CHARS.test(pwd)) {
    throw fail("InvalidAccessError", "password must have 22 to 256 letters, digits, '+' or '/'");
  }
}

// ---------------------------------------------------------------------------------------------
// Candidates

/** The members of a line of RFC 8839 section 5.1. */
function parseCandidateLine(line) {
  if (!line.trim()) throw fail("InvalidAccessError", "an empty candidate is the end of candidates: call endOfRemoteCandidates");
  const tokens = line.trim().replace(/^a=/, "").replace(/^candidate:/, "").split(/\s+/);
  const [foundation, component, transport, priority, connectionAddress, connectionPort, typ, type] = tokens;
  const numbers = [component, priority, connectionPort].every((text) => /^\d{1,10}$/.test(text ?? ""));
  if (!numbers || typ !== "typ" || !type || tokens.length % 2) throw fail("InvalidAccessError", "malformed candidate line");
  const more = {};
  for (let at = 8; at < tokens.length; at += 2) more[tokens[at]] = tokens[at + 1];
  return {
    foundation, component: Number(component), transport, priority: Number(priority), connectionAddress,
    connectionPort: Number(connectionPort), type, relAddress: more.raddr,
    relPort: more.rport === undefined ? undefined : Number(more.rport), tcpType: more.tcptype,
  };
}

const readUfrag = (line, raw) => / ufrag (\S+)/.exec(line)?.[1] ?? raw.usernameFragment ?? raw.usernameFrag ?? raw.ufrag;

/** An ICE candidate as it is signalled; plain data with the draft's names. */
export class RTCIceCandidateDescription {
  /** Of its members, of a browser's `RTCIceCandidate.toJSON()`, or of the line alone. */
  constructor(raw) {
    refuseForeign(raw, "a candidate: { foundation, priority, connectionAddress, connectionPort, transport, type }", "candidate");
    // The event of a browser that has no more, in pages of long ago, has null.
    const end = raw.candidate === null && raw.foundation === undefined;
    const line = typeof raw === "string" ? raw : end ? "" : raw.candidate;
    if (typeof line === "string") raw = { ...parseCandidateLine(line), ...(raw.dtls && { dtls: raw.dtls }), usernameFrag: readUfrag(line, raw) };
    const pick = (...values) => values.find((value) => value !== undefined && value !== null);
    this.foundation = String(pick(raw.foundation, ""));
    const component = pick(raw.component, 1);
    this.component = component === "rtp" ? 1 : component === "rtcp" ? 2 : Number(component);
    this.transport = String(pick(raw.transport, raw.protocol, "udp")).toLowerCase();
    this.priority = Number(pick(raw.priority, 0));
    this.connectionAddress = String(pick(raw.connectionAddress, raw.address, raw.ip, "")).replace(/^\[(.*)\]$/, "$1");
    this.connectionPort = Number(pick(raw.connectionPort, raw.port, 0));
    this.type = String(pick(raw.type, raw.typ, "")).toLowerCase();
    if (!this.foundation && !this.connectionAddress) throw fail("InvalidAccessError", "a candidate has foundation and connectionAddress");
    const rest = {
      relAddress: pick(raw.relAddress, raw.relatedAddress),
      relPort: pick(raw.relPort, raw.relatedPort),
      tcpType: pick(raw.tcpType),
      usernameFrag: pick(raw.usernameFrag, raw.usernameFragment, raw.ufrag),
    };
    for (const [name, value] of Object.entries(rest)) if (value !== undefined && value !== "") this[name] = value;
    if (raw.dtls) this.dtls = copy(raw.dtls);
  }

  /** What `RTCPeerConnection.addIceCandidate` takes; null for what no browser can use. */
  _native(mid) {
    const address = this.connectionAddress;
    if (this.component !== 1 || !/^[\w.:%-]+$/.test(address) || !/^[A-Za-z0-9+/]{1,32}$/.test(this.foundation)) return null;
    if (!["host", "srflx", "prflx", "relay"].includes(this.type) || !["udp", "tcp"].includes(this.transport)) return null;
    if (this.transport === "tcp" && !this.tcpType) return null;
    let line = `candidate:${this.foundation} 1 ${this.transport} ${this.priority} ${address} ${this.connectionPort} typ ${this.type}`;
    if (this.relAddress && this.relPort !== undefined) {
      line += ` raddr ${word(this.relAddress, "relAddress")} rport ${Number(this.relPort)}`;
    }
    if (this.tcpType) line += ` tcptype ${word(this.tcpType, "tcpType")}`;
    return { candidate: line, sdpMid: mid, sdpMLineIndex: 0, usernameFragment: this.usernameFrag };
  }
}

// ---------------------------------------------------------------------------------------------
// Capabilities, from a connection that is thrown away

let native = { audio: [], video: [], extensions: { audio: [], video: [] } };

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
function told(codecs, helpers) {
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

// ---------------------------------------------------------------------------------------------
// The socket

const secrets = new WeakMap();

/** The local end. In a browser it cannot be shared; connections made with it share the certificate. */
export class RTCSocket {
  constructor(certificates) {
    secrets.set(this, certificates);
  }
}

// ---------------------------------------------------------------------------------------------
// Seats: a browser connection whose first offer is made in advance, since the drafts want to know
// the credentials and the SSRCs as soon as a connection or a track exists.

const CONFIGURATION = { bundlePolicy: "max-bundle" };

class Seat {
  constructor(configuration) {
    this.pc = new PC({ ...CONFIGURATION, ...configuration });
    // The first section carries the transport; it must never go away.
    this.pc.addTransceiver("audio", { direction: "inactive" });
    this.spares = [];
    for (const kind of ["audio", "video"]) {
      for (let i = 0; i < SPARE; i++) this.spares.push(this.pc.addTransceiver(kind, { direction: "sendonly" }));
    }
    // There is no section for data before there is a channel; this one is never announced.
    this.pc.createDataChannel("", { negotiated: true, id: 1023 });
    this.offer = null;
    this.ready = this.pc.createOffer().then((offer) => {
      this.offer = offer;
      this.sections = eat(offer.sdp);
      return this;
    });
  }
}

const pool = [];
const POOL = 2;

function refill() {
  while (pool.length < POOL) {
    const seat = new Seat(seatCertificate());
    pool.push(seat);
    seat.ready.catch(() => pool.splice(pool.indexOf(seat), 1));
  }
}

let certificates = [];
// A connection has a certificate of its own: nobody can link two of them by it.
function seatCertificate() {
  const certificate = certificates.pop();
  PC.generateCertificate({ name: "ECDSA", namedCurve: "P-256" }).then((made) => certificates.push(made), () => {});
  return certificate ? { certificates: [certificate] } : {};
}

function takeSeat(options) {
  const configuration = {};
  if (options.iceServers) configuration.iceServers = list(options.iceServers).map(readServer);
  if (options.iceTransportPolicy) configuration.iceTransportPolicy = options.iceTransportPolicy;
  const shared = options.socket && secrets.get(options.socket);
  if (shared?.length) return new Seat({ ...configuration, certificates: shared });
  const at = pool.findIndex((seat) => seat.offer);
  if (at < 0) return new Seat({ ...configuration, ...seatCertificate() });
  const [seat] = pool.splice(at, 1);
  seat.pc.setConfiguration({ ...seat.pc.getConfiguration(), ...configuration });
  // Not while the call is set up, unless the next one may come at any moment.
  setTimeout(refill, pool.length ? 1000 : 50);
  return seat;
}

function readServer(server) {
  let username = server.username;
  const urls = list(server.urls ?? server.url).map((url) => {
    const userinfo = /^(turns?:)([^@]*)@(.*)$/.exec(url);
    if (!userinfo) return String(url);
    username ??= decodeURIComponent(userinfo[2]);
    return userinfo[1] + userinfo[3];
  });
  const read = { urls };
  if (username !== undefined) read.username = username;
  if (server.credential !== undefined && server.credential !== null) read.credential = server.credential;
  return read;
}

// ---------------------------------------------------------------------------------------------
// Sending

/** A section of the session that sends. */
class Slot {
  constructor(transceiver, encodings) {
    this.transceiver = transceiver;
    this.kind = transceiver.receiver.track.kind;
    this.encodings = encodings; // of simulcast
    this.track = null;
    this.mid = null;
  }

  get sender() {
    return this.transceiver.sender;
  }

  /** Takes what the browser chose for this section. */
  learn(section) {
    if (this.mid !== null) return;
    this.mid = section.mid;
    this.ssrc = this.encodings ? undefined : section.ssrc;
    this.rtx = this.encodings ? undefined : section.rtx;
    this.cname = section.cname;
    this.codecs = told(section.codecs, this.rtx || this.encodings ? ["rtx", "dtmf"] : ["dtmf"]);
    const wanted = this.encodings ? [...SENT_EXTENSIONS, MID, RID, REPAIRED_RID] : SENT_EXTENSIONS;
    this.extensions = section.extensions.filter(({ uri }) => wanted.includes(uri));
  }
}

/** How one track is sent on one connection. */
export class RTCTrack {
  #owner;
  #slot;
  #msid;
  #codecs = null;
  #attributes = null;
  #headers = null;
  #started;
  #removed = false;
  #source;

  constructor(owner, slot, source, msid, started) {
    this.#owner = owner;
    this.#source = source;
    this.#msid = msid;
    this.#started = started;
    this.#take(slot);
  }

  #take(slot) {
    this.#slot = slot;
    slot.track = this;
    if (this.#started) slot.sender.replaceTrack(this.#source).catch((error) => this.#owner.failed(error));
  }

  #alive() {
    if (this.#removed) throw fail("InvalidStateError", "the track is removed");
    this.#owner.alive();
  }

  get source() { return this.#source; }
  get kind() { return this.#slot.kind; }
  /** null until the browser has chosen it; see `ready`. */
  get ssrc() { return this.#slot.ssrc ?? null; }
  get msid() { return [...this.#msid]; }
  set msid(ids) {
    this.#alive();
    this.#msid = list(ids).map((id) => word(id, "msid"));
  }

  /** Resolves once `getDescription` has an answer, which is mostly at once. */
  get ready() { return this.#owner.ready.then(() => this.#owner.described(this.#slot)).then(() => this); }

  /** In order of preference: the first one that the browser supports is sent. */
  get codecs() {
    const dtmf = (codec) => draftName(codec.name) === "dtmf";
    const all = this.#codecs ?? this.#slot.codecs ?? [];
    // The draft has digits in a description only once there is a DTMF track.
    return copy(this._dtmf ? all : all.filter((codec) => !dtmf(codec)));
  }
  set codecs(codecs) {
    this.#alive();
    const read = list(codecs).map(readCodec);
    const usable = read.filter((codec) => native[this.kind].some((own) => sameCodec(own, codec)) && !isHelper(codec));
    if (!usable.length) throw fail("NotSupportedError", "none of the codecs can be sent");
    if (new Set(read.map((codec) => codec["payload-id"])).size < read.length) {
      throw fail("InvalidAccessError", "a payload-id is used twice");
    }
    const digits = (this.#slot.codecs ?? []).filter((codec) => draftName(codec.name) === "dtmf");
    const known = new Set(read.map((codec) => codec["payload-id"]));
    this.#codecs = [...read, ...digits.filter((codec) => !known.has(codec["payload-id"]))];
    this.#owner.changed();
  }

  /** Puts the codec of this name first; payload ids stay. `red` before opus: each packet carries the one before it. */
  prefer(name) {
    const wanted = draftName(name);
    const codecs = this.codecs;
    if (wanted === "red" && this.kind === "audio" && !codecs.some((codec) => draftName(codec.name) === wanted)) {
      codecs.push(...told(native.audio, [wanted]).filter((codec) => codec.name === wanted));
    }
    if (!codecs.some((codec) => draftName(codec.name) === wanted)) {
      throw fail("NotSupportedError", `this browser does not send ${wanted}`);
    }
    const rank = (codec) => (draftName(codec.name) === wanted ? 0 : 1);
    this.codecs = codecs.sort((a, b) => rank(a) - rank(b));
  }

  get mediaAttributes() { return copy(this.#attributes); }
  set mediaAttributes(attributes) {
    this.#alive();
    const read = attributes === null || attributes === undefined ? null : copy(list(attributes));
    this.#attributes = read;
    const rids = (read ?? []).map((one) => one.rid).filter(Boolean);
    if (rids.length > 1 && rids.join() !== (this.#slot.encodings ?? []).map((one) => one.rid).join()) {
      const old = this.#slot;
      this.#take(this.#owner.slot(this.kind, this.#encodings()));
      this.#owner.release(old);
    } else {
      this.#limit();
    }
  }

  #encodings() {
    const settings = this.#source.getSettings?.() ?? {};
    return (this.#attributes ?? []).map((one) => {
      const encoding = { active: one.active ?? true };
      if (one.rid) encoding.rid = word(one.rid, "rid");
      if (one.maxBitrate !== undefined) encoding.maxBitrate = Number(one.maxBitrate);
      if (this.kind === "audio") return encoding;
      if (one.maxFramerate !== undefined) encoding.maxFramerate = Number(one.maxFramerate);
      if (one.scalabilityMode) encoding.scalabilityMode = one.scalabilityMode;
      const scale = Math.max(
        1,
        Number(one.resolutionScale ?? 1),
        one.videoMaxWidth && settings.width ? settings.width / one.videoMaxWidth : 1,
        one.videoMaxHeight && settings.height ? settings.height / one.videoMaxHeight : 1,
      );
      encoding.scaleResolutionDownBy = scale;
      return encoding;
    });
  }

  #limit() {
    const { sender } = this.#slot;
    const parameters = sender.getParameters();
    const wanted = this.#encodings();
    (parameters.encodings ?? []).forEach((encoding, at) => {
      for (const name of ["maxBitrate", "maxFramerate", "scaleResolutionDownBy", "scalabilityMode"]) delete encoding[name];
      const { rid: _, ...limits } = wanted[at] ?? { active: true };
      Object.assign(encoding, limits);
    });
    sender.setParameters(parameters).catch((error) => this.#owner.failed(error));
  }

  /** Signalled only: a page cannot put header extensions into packets. */
  get rtpExtHeaders() { return copy(this.#headers); }
  set rtpExtHeaders(headers) {
    this.#alive();
    this.#headers = headers ? copy(headers) : null;
  }

  /** A snapshot for signalling. */
  getDescription() {
    this.#alive();
    const slot = this.#slot;
    if (slot.mid === null) throw fail("InvalidStateError", "the browser has not described the track yet: await track.ready");
    const description = { kind: this.kind };
    if (slot.ssrc) description.ssrc = slot.ssrc;
    description.msid = [...this.#msid];
    description.codecs = this.codecs;
    if (this.#attributes) description.mediaAttributes = copy(this.#attributes);
    if (this.#headers) description.rtpExtHeaders = copy(this.#headers);
    if (slot.extensions.length) description.headerExtensions = copy(slot.extensions);
    if (slot.encodings) {
      description.encodings = slot.encodings.map(({ rid, maxBitrate, scaleResolutionDownBy }) => ({
        rid,
        ...(maxBitrate && { maxBitrate }),
        ...(scaleResolutionDownBy && { resolutionScale: scaleResolutionDownBy }),
      }));
      description.muxId = slot.mid;
    }
    if (slot.rtx) description.rtx = { ssrc: slot.rtx };
    description.rtcp = { reducedSize: true };
    if (slot.cname) description.cname = slot.cname;
    return description;
  }

  toJSON() { return this.getDescription(); }

  /** Whether the track is started. */
  get started() { return this.#started; }

  start() {
    this.#alive();
    this.#started = true;
    this.#slot.sender.replaceTrack(this.#source).catch((error) => this.#owner.failed(error));
  }

  /** Stops sending, without BYE; `start` goes on with the same SSRC. */
  stop() {
    this.#alive();
    this.#started = false;
    this.#slot.sender.replaceTrack(null).catch((error) => this.#owner.failed(error));
  }

  /** Sends another source of the same kind in its place, e.g. another camera. */
  replaceSource(source) {
    this.#alive();
    if (source.kind !== this.kind) throw fail("InvalidAccessError", `the track is of kind ${this.kind}`);
    this.#source = source;
    return this.#started ? this.#slot.sender.replaceTrack(source) : Promise.resolve();
  }

  /** Removes the track from the connection; its stream is unchanged. */
  remove() {
    this.#alive();
    this.#removed = true;
    this.#owner.release(this.#slot);
  }

  /** The browser's sender, for what this API does not cover. */
  get sender() { return this.#slot.sender; }
  get _slot() { return this.#slot; }
  get _sent() { return this.#codecs ?? this.#slot.codecs ?? []; }
}

/** The track description that signalling carries: plain data, every accepted spelling read. */
export class RTCTrackDescription {
  constructor(raw) {
    refuseForeign(raw, "a track description: { kind, ssrc, codecs }");
    const kind = Array.isArray(raw.kind) && raw.kind.length === 1 ? raw.kind[0] : raw.kind;
    if (kind !== "audio" && kind !== "video") throw fail("NotSupportedError", `a track of kind ${kind}`);
    this.kind = kind;
    const number = (value, what) => {
      const n = Number(value);
      if (!/^\d+$/.test(String(value)) || n > 0xffffffff) throw fail("InvalidAccessError", `${what} must be a 32-bit number`);
      return String(n);
    };
    if (raw.ssrc !== undefined && raw.ssrc !== null && raw.ssrc !== "") this.ssrc = number(raw.ssrc, "ssrc");
    this.msid = list(raw.msid).map((id) => word(id, "msid"));
    this.codecs = list(raw.codecs).map(readCodec);
    if (raw.mediaAttributes) this.mediaAttributes = withoutNulls(raw.mediaAttributes);
    if (raw.rtpExtHeaders) this.rtpExtHeaders = withoutNulls(raw.rtpExtHeaders);
    this.headerExtensions = list(raw.headerExtensions).map(({ uri, id }) => {
      if (!Number.isInteger(id) || id < 1 || id > 255 || id === 15) {
        throw fail("InvalidAccessError", "headerExtensions: id must be 1 to 14 or 16 to 255");
      }
      return { uri: word(uri, "headerExtensions"), id };
    });
    if (raw.encodings) this.encodings = withoutNulls(raw.encodings);
    const rtx = raw.rtx?.ssrc;
    if (rtx !== undefined && rtx !== null) this.rtx = { ssrc: number(rtx, "rtx.ssrc") };
    if (raw.fec) this.fec = withoutNulls(raw.fec);
    if (raw.rtcp) this.rtcp = withoutNulls(raw.rtcp);
    const muxId = raw.muxId ?? raw.mid;
    if (muxId) this.muxId = word(muxId, "muxId");
    const cname = raw.cname ?? raw.rtcp?.cname;
    if (cname) this.cname = word(cname, "cname");
  }
}

// ---------------------------------------------------------------------------------------------
// Receiving

class Receiver {
  constructor(description) {
    this.description = description;
    this.mid = null;
    this.wanted = true;
    this.dirty = true;
    this.connected = false;
    this.streams = [];
    this.done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.done.catch(() => {});
  }

  is({ kind, ssrc, muxId }) {
    const own = this.description;
    return ssrc ? own.ssrc === ssrc : !own.ssrc && muxId !== undefined && own.muxId === muxId && own.kind === kind;
  }
}

// ---------------------------------------------------------------------------------------------
// Data

const sizeOf = (data) => (typeof data === "string" ? new TextEncoder().encode(data).length : data?.size ?? data?.byteLength ?? 0);

/** A message that the peer does not take ends the channel in some browsers; here it is an error of `send`. */
function limitMessages(channel, most) {
  const send = channel.send.bind(channel);
  channel.send = (data) => {
    const limit = most();
    const size = sizeOf(data);
    if (size > limit) throw new TypeError(`a message of ${size} bytes, and the peer takes ${limit}`);
    send(data);
  };
  return channel;
}

/**
 * A data channel that is asked for before the DTLS role is agreed. The ids of channels follow from
 * the role (RFC 8832 section 6), and Chromium guesses it wrongly in half of the cases; so the
 * browser's own channel is made once the role is known, and stands behind this one.
 */
class EarlyChannel extends Target {
  #label;
  #init;
  #native = null;
  #closed = false;
  #settings = {};

  constructor(label, init) {
    super(["open", "message", "close", "closing", "error", "bufferedamountlow"]);
    this.#label = String(label);
    this.#init = { ...init };
    if (this.#init.maxRetransmits !== undefined && this.#init.maxPacketLifeTime !== undefined) {
      throw new TypeError("maxRetransmits and maxPacketLifeTime exclude each other");
    }
  }

  _start(pc, most) {
    if (this.#closed) return;
    this.#native = limitMessages(pc.createDataChannel(this.#label, this.#init), most);
    Object.assign(this.#native, this.#settings);
    for (const name of ["open", "message", "close", "closing", "error", "bufferedamountlow"]) {
      this.#native.addEventListener(name, (event) => this.dispatchEvent(new event.constructor(event.type, event)));
    }
  }

  #get(name, otherwise) { return this.#native ? this.#native[name] : otherwise; }
  #set(name, value) {
    if (this.#native) this.#native[name] = value;
    else this.#settings[name] = value;
  }

  get label() { return this.#label; }
  get ordered() { return this.#init.ordered ?? true; }
  get protocol() { return this.#init.protocol ?? ""; }
  get negotiated() { return this.#init.negotiated ?? false; }
  get maxRetransmits() { return this.#init.maxRetransmits ?? null; }
  get maxPacketLifeTime() { return this.#init.maxPacketLifeTime ?? null; }
  get id() { return this.#get("id", this.#init.id ?? null); }
  get readyState() { return this.#get("readyState", this.#closed ? "closed" : "connecting"); }
  get bufferedAmount() { return this.#get("bufferedAmount", 0); }
  get binaryType() { return this.#get("binaryType", this.#settings.binaryType ?? "arraybuffer"); }
  set binaryType(type) { this.#set("binaryType", type); }
  get bufferedAmountLowThreshold() { return this.#get("bufferedAmountLowThreshold", this.#settings.bufferedAmountLowThreshold ?? 0); }
  set bufferedAmountLowThreshold(bytes) { this.#set("bufferedAmountLowThreshold", bytes); }

  send(data) {
    if (!this.#native) throw fail("InvalidStateError", "the data channel is not open");
    this.#native.send(data);
  }

  close() {
    if (this.#native) return this.#native.close();
    if (this.#closed) return;
    this.#closed = true;
    queueMicrotask(() => this.dispatchEvent(new Event("close")));
  }
}

// ---------------------------------------------------------------------------------------------
// The connection

const CONNECTION_EVENTS = [
  "candidate", "endofcandidates", "activecandidate", "connected", "disconnected", "addstream",
  "removestream", "unknowntrack", "datachannel", "statechange", "localchange", "error",
];
const KEPT_EVENTS = ["candidate", "endofcandidates", "addstream", "datachannel"];

export class RTCConnection extends Target {
  #seat;
  #pc;
  #socket;
  #local = null;
  #remote = { ice: { usernameFrag: null, password: null }, dtls: { fingerprint: null } };
  #connect = false;
  #applied = null; // the peer's side as the browser knows it
  /** The largest message that the peer and this browser take. */
  #most = () => Math.min(this.#applied?.maxMessageSize || Infinity, this.#pc.sctp?.maxMessageSize || Infinity);
  #setup = null; // the peer's DTLS role in answers
  #state = "new";
  #reason = null;
  #slots = [];
  #receivers = [];
  #streams = new Map();
  #candidates = []; // of the peer, that wait for its credentials
  #endOfCandidates = false;
  #fingerprintTold = null;
  #layout = [];
  #names = 0;
  #channels = []; // that wait for the DTLS role
  #version = 0;
  #working = false;
  #again = false;
  #refused = null; // credentials of the peer that the browser does not take
  #work = { offer: false, receive: false, restart: null };
  #watch = null;

  constructor(options = {}) {
    super(CONNECTION_EVENTS, KEPT_EVENTS);
    this.#seat = takeSeat(options ?? {});
    this.#pc = this.#seat.pc;
    this.#slots = this.#seat.spares.map((transceiver) => new Slot(transceiver));
    this.#listen();
    const adopt = () => {
      if (this.#local) return this;
      this.#layout = this.#seat.sections;
      this.#slots.forEach((slot, at) => slot.learn(this.#layout[at + 1]));
      this.#local = sideOf(this.#layout);
      this.#reconcile();
      return this;
    };
    if (this.#seat.offer) adopt();
    /** Resolves once `local` is there, which is mostly at once. */
    this.ready = this.#seat.ready.then(adopt);
    this.ready.catch((error) => this.#failed(error));
  }

  // -- What the draft has ---------------------------------------------------------------------

  /** This side: signal it to the peer as JSON. */
  get local() {
    if (!this.#local) {
      throw fail("InvalidStateError", "the browser has no credentials yet: await connection.ready, or make fewer connections at once");
    }
    return this.#local;
  }

  /** The peer's side; set its members, or the whole of it, before `connect`. */
  get remote() { return this.#remote; }
  set remote(side) { this.setRemote(side); }

  setRemote(side) {
    this.#alive();
    refuseForeign(side, "a connection side: { ice: { usernameFrag, password }, dtls: { fingerprint } }");
    const read = readSide(side);
    if (read.ufrag === null || read.pwd === null) throw fail("InvalidAccessError", "usernameFrag and password are missing");
    checkSide(read);
    const known = readSide(this.#remote).fingerprints;
    this.#remote.ice = { usernameFrag: read.ufrag, password: read.pwd };
    this.#remote.dtls = {
      fingerprint: Object.fromEntries(read.fingerprints ?? known ?? []),
      ...(read.role && { role: read.role }),
    };
    if (!read.fingerprints && !known) this.#remote.dtls.fingerprint = null;
    if (side.sctp) this.#remote.sctp = { maxMessageSize: read.maxMessageSize };
    else delete this.#remote.sctp;
    this.#reconcile();
  }

  getLocalSocket() {
    this.#socket ??= new RTCSocket(this.#pc.getConfiguration().certificates ?? []);
    return this.#socket;
  }

  /** A browser applies its candidates by itself; there is nothing left to do. */
  setLocalCandidate(candidate) {
    this.#alive();
    new RTCIceCandidateDescription(candidate);
  }

  /** Adds a candidate of the peer, at any time and in any order. */
  setRemoteCandidate(raw) {
    this.#alive();
    const candidate = new RTCIceCandidateDescription(raw);
    // The draft's example signals no fingerprint; it comes with the first candidate then.
    if (candidate.dtls?.fingerprint && !this.#remote.dtls.fingerprint) {
      this.#remote.dtls.fingerprint = Object.fromEntries(readFingerprints(candidate.dtls.fingerprint));
      this.#reconcile();
    }
    if (candidate._native("0") && this.#candidates.length < 200) {
      this.#candidates.push(candidate);
      this.#passCandidates();
    }
  }

  endOfRemoteCandidates() {
    this.#alive();
    this.#endOfCandidates = true;
    this.#passCandidates();
  }

  connect() {
    this.#alive();
    const side = readSide(this.#remote);
    if (side.ufrag === null || side.pwd === null) {
      throw fail("InvalidStateError", "remote.ice needs the peer's usernameFrag and password before connect");
    }
    checkSide(side);
    this.#connect = true;
    if (this.#state === "new") this.#setState("searching");
    this.#reconcile();
  }

  /** After a change of the network. Browsers gather anew with new credentials only: see `restart`. */
  update() { return this.restart(); }

  /** ICE restart: resolves with the new local side, which must be signalled (event `localchange`). */
  restart() {
    this.#alive();
    const waiting = (this.#work.restart ??= {});
    waiting.promise ??= new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    this.#reconcile();
    return waiting.promise;
  }

  /** Sends the tracks of a stream; called again, those that were added to it since. */
  addStream(stream, autostart = true) {
    this.#alive();
    const added = [];
    for (const source of stream.getTracks()) {
      const known = this.track(source);
      if (!known) added.push(new RTCTrack(this.#owner, this.#slot(source.kind), source, [stream.id], autostart ?? true));
      else if (!known.msid.includes(stream.id)) known.msid = [...known.msid, stream.id];
    }
    for (const dtmf of attachedDtmf.get(stream) ?? []) this.addDtmfHandler(dtmf, stream);
    this.#reconcile({ offer: true });
    return added;
  }

  removeStream(stream) {
    this.#alive();
    const tracks = this.tracks({ mediaStream: stream.id });
    for (const track of tracks) {
      const rest = track.msid.filter((id) => id !== stream.id);
      if (rest.length) track.msid = rest;
      else track.remove();
    }
    return tracks.length > 0;
  }

  track(source) { return this.tracks().find((track) => track.source === source) ?? null; }

  tracks(filter) {
    const { mediaStream, kind } = filter ?? {};
    return this.#slots
      .map((slot) => slot.track)
      .filter((track) => track && (!kind || track.kind === kind) && (!mediaStream || track.msid.includes(mediaStream)));
  }

  getSendingStreams() { return [...new Set(this.tracks().flatMap((track) => track.msid))]; }
  getReceivingStreams() { return [...this.#streams.values()]; }

  /** The SSRCs that a received stream consists of, as `stats` has them. */
  sources(stream) {
    return this.#receivers.filter((one) => one.streams.includes(stream) && one.description.ssrc).map((one) => one.description.ssrc);
  }

  /** Readies reception of a track that the peer described; resolves with the browser's track. */
  receiveTrack(raw) {
    this.#alive();
    const description = new RTCTrackDescription(raw);
    if (!description.codecs.some((codec) => !isHelper(codec) && native[description.kind].some((own) => sameCodec(own, codec)))) {
      throw fail("NotSupportedError", "none of the description's codecs can be received");
    }
    if (!description.ssrc && !description.muxId) {
      throw fail("NotSupportedError", "a browser needs the ssrc or the muxId of a track");
    }
    let receiver = this.#receivers.find((one) => one.wanted && one.is(description));
    if (receiver && receiver.description.kind !== description.kind) {
      throw fail("InvalidAccessError", "the ssrc is in use by a track of another kind");
    }
    if (receiver) {
      receiver.description = description;
      receiver.dirty = true;
    } else if (this.#receivers.length >= MAX_RECEIVED) {
      throw fail("OperationError", `at most ${MAX_RECEIVED} tracks are received`);
    } else {
      receiver = new Receiver(description);
      this.#receivers.push(receiver);
    }
    this.#reconcile({ receive: true });
    return receiver.done;
  }

  /** Stops receiving a track, known by its ssrc or by itself. */
  stopReceiving(which) {
    this.#alive();
    const receiver = this.#receivers.find((one) => one.wanted && (one.description.ssrc === String(which) || one.track === which));
    if (!receiver) return false;
    receiver.wanted = false;
    receiver.dirty = true;
    this.#reconcile({ receive: true });
    return true;
  }

  /** A DTMF track that plays on the audio track of `stream`, or else on the first audio track. */
  addDtmfHandler(dtmf = new DTMFMediaStreamTrack(), stream = null) {
    this.#alive();
    const track = this.tracks({ kind: "audio", mediaStream: stream?.id })[0] ?? this.tracks({ kind: "audio" })[0];
    if (!track) throw fail("InvalidStateError", "DTMF needs an audio track to play on");
    track._dtmf = dtmf;
    dtmf._attach(track);
    return dtmf;
  }

  createDataChannel(label = "", init = {}) {
    this.#alive();
    if (this.#applied) return limitMessages(this.#pc.createDataChannel(label, init), this.#most);
    if (this.#channels.length >= MAX_EARLY_CHANNELS) throw fail("OperationError", "too many data channels before the connection");
    const channel = new EarlyChannel(label, init);
    this.#channels.push(channel);
    return channel;
  }

  close() { this.#end("closed"); }

  // -- Beside the draft -----------------------------------------------------------------------

  /** new, searching, connected, halted or closed. */
  get state() { return this.#state; }
  /** Why the connection was last lost. */
  get reason() { return this.#reason; }

  connected() {
    if (this.#state === "connected") return Promise.resolve();
    if (this.#state === "closed") return Promise.reject(fail("InvalidStateError", `the connection is closed: ${this.#reason}`));
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#state === "connected") resolve();
        else if (this.#state === "closed") reject(fail("InvalidStateError", `the connection is closed: ${this.#reason}`));
        else return;
        this.removeEventListener("statechange", look);
      };
      this.addEventListener("statechange", look);
    });
  }

  /** The browser's own statistics. */
  getStats() { return this.#pc.getStats(); }

  /** Statistics in the shape of the Rust crate's, with what browsers know besides. */
  async stats() {
    const all = [...(await this.#pc.getStats()).values()];
    const byId = new Map(all.map((one) => [one.id, one]));
    const of = (type) => all.filter((one) => one.type === type && !one.isRemote);
    const transport = of("transport")[0] ?? {};
    const pair = byId.get(transport.selectedCandidatePairId) ?? of("candidate-pair").find((one) => one.selected || (one.nominated && one.state === "succeeded"));
    const local = byId.get(pair?.localCandidateId);
    const remote = byId.get(pair?.remoteCandidateId);
    const codec = (one) => byId.get(one.codecId)?.mimeType?.split("/")[1];
    const sent = new Set(this.tracks().map((track) => track.ssrc));
    return {
      transport: {
        state: this.#state,
        iceRole: transport.iceRole ?? null,
        dtlsRole: transport.dtlsRole ?? null,
        dtlsState: transport.dtlsState ?? null,
        dtlsCipher: transport.dtlsCipher ?? null,
        srtpCipher: transport.srtpCipher ?? null,
        currentRoundTripTime: pair?.currentRoundTripTime ?? null,
        availableOutgoingBitrate: pair?.availableOutgoingBitrate ?? null,
        path: local && remote ? { local: local.candidateType, remote: remote.candidateType, protocol: local.protocol, address: remote.address ?? remote.ip ?? null, port: remote.port ?? null } : null,
      },
      inboundRtp: of("inbound-rtp").map((one) => ({
        ssrc: one.ssrc, kind: one.kind, codec: codec(one) ?? null,
        packetsReceived: one.packetsReceived ?? 0, bytesReceived: one.bytesReceived ?? 0, packetsLost: one.packetsLost ?? 0, jitter: one.jitter ?? 0,
        framesDecoded: one.framesDecoded ?? null, framesPerSecond: one.framesPerSecond ?? null,
        frameWidth: one.frameWidth ?? null, frameHeight: one.frameHeight ?? null,
        totalAudioEnergy: one.totalAudioEnergy ?? null, totalSamplesReceived: one.totalSamplesReceived ?? null,
        concealedSamples: one.concealedSamples ?? null, fecPacketsReceived: one.fecPacketsReceived ?? 0,
        nackCount: one.nackCount ?? 0, pliCount: one.pliCount ?? 0, mid: one.mid ?? null,
      })),
      outboundRtp: of("outbound-rtp").filter((one) => one.rid || sent.has(String(one.ssrc))).map((one) => {
        const report = byId.get(one.remoteId) ?? {};
        return {
          ssrc: one.ssrc, kind: one.kind, rid: one.rid ?? null, codec: codec(one) ?? null,
          packetsSent: one.packetsSent ?? 0, bytesSent: one.bytesSent ?? 0,
          framesEncoded: one.framesEncoded ?? null, frameWidth: one.frameWidth ?? null, frameHeight: one.frameHeight ?? null, framesPerSecond: one.framesPerSecond ?? null,
          nackCount: one.nackCount ?? 0, pliCount: one.pliCount ?? 0, retransmittedPacketsSent: one.retransmittedPacketsSent ?? 0,
          remotePacketsLost: report.packetsLost ?? null, roundTripTime: report.roundTripTime ?? null,
        };
      }),
    };
  }

  // -- The browser's events -------------------------------------------------------------------

  #listen() {
    const pc = this.#pc;
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate) return this._emit("endofcandidates");
      if (!candidate.candidate || candidate.component === "rtcp") return;
      const described = new RTCIceCandidateDescription(candidate);
      if (this.#fingerprintTold !== described.usernameFrag) {
        this.#fingerprintTold = described.usernameFrag;
        described.dtls = { fingerprint: copy(this.#local.dtls.fingerprint) };
      }
      this._emit("candidate", { candidate: described });
    };
    pc.onconnectionstatechange = () => this.#follow();
    pc.ondatachannel = ({ channel }) => this._emit("datachannel", { channel: limitMessages(channel, this.#most) });
    pc.ontrack = ({ transceiver, track, streams }) => {
      const receiver = this.#receivers.find((one) => one.mid === transceiver.mid && one.mid !== null);
      if (!receiver) return;
      receiver.track = track;
      receiver.transceiver = transceiver;
      receiver.streams = [...streams];
      receiver.resolve(track);
      for (const stream of streams) {
        if (this.#streams.get(stream.id) === stream) continue;
        this.#streams.set(stream.id, stream);
        this._emit("addstream", { stream });
      }
      this.#watch ??= setInterval(() => this.#look(), 40);
    };
  }

  #setState(state, reason) {
    if (this.#state === state || this.#state === "closed") return;
    const before = this.#state;
    this.#state = state;
    if (reason) this.#reason = reason;
    if (state === "connected") this._emit("connected");
    else if (reason && (before === "connected" || state !== "halted" || reason === "IceFailed")) this._emit("disconnected", { reason });
    this._emit("statechange", { state });
  }

  #follow() {
    const pc = this.#pc;
    const dtls = pc.sctp?.transport ?? this.#slots[0]?.sender.transport;
    switch (pc.connectionState) {
      case "connected": {
        const ice = dtls?.iceTransport;
        if (ice && !ice.onselectedcandidatepairchange) {
          ice.onselectedcandidatepairchange = () => this.#tellPair(ice);
          this.#tellPair(ice);
        }
        return this.#setState("connected");
      }
      case "disconnected": return this.#setState("halted", "ConsentLost");
      case "failed":
        if (dtls?.state === "failed") return this.#end("DtlsFailed");
        if (dtls?.state === "closed") return this.#end("RemoteClosed");
        return this.#setState("halted", "IceFailed");
      case "closed": return this.#end("RemoteClosed");
    }
  }

  #tellPair(ice) {
    const pair = ice.getSelectedCandidatePair?.();
    if (!pair?.local || !pair.remote) return;
    this._emit("activecandidate", {
      localCandidate: new RTCIceCandidateDescription(pair.local),
      remoteCandidate: new RTCIceCandidateDescription(pair.remote),
    });
  }

  /** Rows A112 to A116: whether RTP comes. */
  #look() {
    const live = (stream) => this.#receivers.some((one) => one.connected && one.streams.includes(stream));
    for (const receiver of this.#receivers) {
      if (!receiver.transceiver) continue;
      const newest = Math.max(0, ...receiver.transceiver.receiver.getSynchronizationSources().map((one) => one.timestamp));
      const fresh = newest > 0 && (performance.timeOrigin + performance.now() - newest < SOURCE_TIMEOUT || performance.now() - newest < SOURCE_TIMEOUT);
      if (fresh === receiver.connected) continue;
      const before = receiver.streams.filter(live);
      receiver.connected = fresh;
      // Row G34: the stream's event comes before the track's, and after it at the end.
      if (fresh) for (const stream of receiver.streams) if (!before.includes(stream)) emitOn(stream, "connected");
      emitOn(receiver.track, fresh ? "connected" : "disconnected");
      if (!fresh) for (const stream of before) if (!live(stream)) emitOn(stream, "disconnected");
    }
    if (!this.#receivers.length) {
      clearInterval(this.#watch);
      this.#watch = null;
    }
  }

  #end(reason) {
    if (this.#state === "closed") return;
    clearInterval(this.#watch);
    this.#pc.close();
    this.#setState("closed", reason);
    this.#work.restart?.reject?.(fail("AbortError", "the connection is closed"));
    for (const receiver of this.#receivers) receiver.reject(fail("AbortError", "the connection is closed"));
    for (const channel of this.#channels.splice(0)) channel.close();
  }

  #alive() {
    if (this.#state === "closed") throw fail("InvalidStateError", "the connection is closed");
  }

  #failed(error) {
    if (this.#state !== "closed") this._emit("error", { error });
  }

  // What a track needs of its connection.
  #owner = (() => {
    const connection = this;
    return {
      get ready() { return connection.ready; },
      alive: () => this.#alive(),
      failed: (error) => this.#failed(error),
      changed: () => this.#reconcile({ offer: true }),
      slot: (kind, encodings) => this.#slot(kind, encodings),
      release: (slot) => {
        slot.track = null;
        slot.transceiver.stop();
        this.#slots = this.#slots.filter((other) => other !== slot);
        this.#reconcile({ offer: true });
      },
      described: async (slot) => {
        while (slot.mid === null) {
          this.#alive();
          if (slot.error) throw slot.error;
          await pause(2);
        }
      },
    };
  })();

  #slot(kind, encodings) {
    let slot = encodings ? null : this.#slots.find((one) => !one.track && one.kind === kind && !one.encodings);
    if (!slot) {
      slot = this.#addSlot(kind, encodings);
      this.#reconcile({ offer: true });
    }
    return slot;
  }

  #addSlot(kind, encodings) {
    const sendEncodings = encodings ? { sendEncodings: encodings } : {};
    const transceiver = this.#pc.addTransceiver(kind, { direction: "sendonly", ...sendEncodings });
    if (encodings && transceiver.setHeaderExtensionsToNegotiate) {
      // Chromium offers no extension that earlier sections went without, unless told to.
      const wanted = transceiver.getHeaderExtensionsToNegotiate();
      for (const one of wanted) if ([MID, RID, REPAIRED_RID].includes(one.uri)) one.direction = "sendrecv";
      transceiver.setHeaderExtensionsToNegotiate(wanted);
    }
    const slot = new Slot(transceiver, encodings);
    this.#slots.push(slot);
    return slot;
  }

  // -- Negotiation, inside this page ----------------------------------------------------------

  /** Brings the browser's session in line with what is wanted, one step at a time. */
  #reconcile(work) {
    Object.assign(this.#work, work);
    this.#again = true;
    if (this.#working || !this.#local) return;
    this.#working = true;
    (async () => {
      await null; // Verbs called in a row make one step.
      while (this.#again && this.#state !== "closed") {
        this.#again = false;
        try {
          while (this.#state !== "closed" && (await this.#step()));
        } catch (error) {
          // What failed is not tried again; what waits behind it is.
          for (const slot of this.#slots) if (slot.mid === null) slot.error = error;
          this.#failed(error);
          this.#again = true;
        }
      }
      this.#working = false;
    })();
  }

  /** True when something was done. */
  async #step() {
    const pc = this.#pc;
    const work = this.#work;
    if (!pc.localDescription) {
      await pc.setLocalDescription(this.#seat.offer);
      return true;
    }
    const side = readSide(this.#remote);
    const complete = side.ufrag !== null && side.pwd !== null && side.fingerprints && side.ufrag !== this.#refused;
    if (complete) {
      try {
        checkSide(side);
      } catch (error) {
        this.#refused = side.ufrag;
        throw error;
      }
    }
    const fresh = this.#slots.some((slot) => slot.mid === null && !slot.error);
    if (!this.#applied) {
      if (fresh) {
        await this.#offer();
        return true;
      }
      if (!this.#connect || !complete) return false;
      work.offer = false;
      const restart = work.restart;
      work.restart = null;
      this.#setup = this.#peerIsClient(side) ? "active" : "passive";
      await this.#answer(side);
      restart?.resolve?.(this.#local);
      return true;
    }
    const moved = complete && side.ufrag !== this.#applied.ufrag;
    if (moved && !work.restart && BOTH_RESTART) {
      await this.#followRestart(side);
      return true;
    }
    if (work.offer || work.restart || moved || fresh) {
      const restart = work.restart;
      Object.assign(work, { offer: false, restart: null });
      try {
        if (restart) pc.restartIce();
        this.#spare();
        await this.#offer();
        if (restart) {
          this.#local = sideOf(this.#layout);
          this._emit("localchange", { local: this.#local });
          if (BOTH_RESTART) await this.#awaitRestart();
        }
        const now = readSide(this.#remote);
        await this.#answer(now.fingerprints ? now : this.#applied);
        restart?.resolve?.(this.#local);
      } catch (error) {
        restart?.reject?.(error);
        if (pc.signalingState === "have-local-offer") await pc.setLocalDescription({ type: "rollback" });
        throw error;
      }
      return true;
    }
    if (work.receive) {
      work.receive = false;
      await this.#receive();
      return true;
    }
    return false;
  }

  /** Conformance row G35: the side with the greater credentials controls, and is the server. */
  #peerIsClient(side) {
    if (side.role === "client") return true;
    if (side.role === "server") return false;
    const { usernameFrag, password } = this.#local.ice;
    return usernameFrag === side.ufrag ? password >= side.pwd : usernameFrag > side.ufrag;
  }

  /** Keeps a prepared sender of each kind. */
  #spare() {
    for (const kind of ["audio", "video"]) {
      if (!this.#slots.some((slot) => slot.kind === kind && !slot.track && !slot.encodings)) this.#addSlot(kind);
    }
  }

  async #offer() {
    const pc = this.#pc;
    await pc.setLocalDescription(await pc.createOffer());
    this.#layout = eat(pc.localDescription.sdp);
    for (const slot of this.#slots) {
      const section = this.#layout.find((one) => one.mid === slot.transceiver.mid && !one.rejected);
      if (section && slot.transceiver.mid !== null) slot.learn(section);
    }
  }

  async #answer(side) {
    const before = this.#applied;
    try {
      await this.#pc.setRemoteDescription({ type: "answer", sdp: this.#compose("answer", this.#layout, side) });
    } catch (error) {
      if (before?.ufrag !== side.ufrag) this.#refused = side.ufrag;
      throw error;
    }
    this.#applied = side;
    for (const channel of this.#channels.splice(0)) {
      try {
        channel._start(this.#pc, this.#most);
      } catch (error) {
        channel.close();
        this.#failed(error);
      }
    }
    for (const receiver of this.#receivers) {
      // Where an id has two meanings after all, the browser may move one; the peer's offer moves it back.
      const own = this.#layout.find(({ mid }) => mid === receiver.mid && mid !== null)?.codecs;
      const moved = own && agreed(receiver.description.codecs, own).some((codec) => {
        const name = draftName(codec.name);
        return !receiver.description.codecs.some((one) => one["payload-id"] === codec["payload-id"] && draftName(one.name) === name);
      });
      if (moved) receiver.dirty = this.#work.receive = true;
    }
    if (before?.ufrag !== side.ufrag) this.#passCandidates();
  }

  /** The peer has restarted ICE: so does this side. */
  async #followRestart(side) {
    const pc = this.#pc;
    this.#refused = side.ufrag; // until it is taken
    await pc.setRemoteDescription({ type: "offer", sdp: this.#compose("offer", this.#layout, side) });
    await pc.setLocalDescription(await pc.createAnswer());
    this.#refused = null;
    this.#layout = eat(pc.localDescription.sdp);
    this.#applied = side;
    this.#local = sideOf(this.#layout);
    this._emit("localchange", { local: this.#local });
    this.#passCandidates();
  }

  async #awaitRestart() {
    const end = performance.now() + RESTART_PATIENCE;
    while (performance.now() < end && readSide(this.#remote).ufrag === this.#applied.ufrag) await pause(10);
  }

  /** Offers the browser what the peer sends, and lets it answer. */
  async #receive() {
    const wanted = this.#receivers.filter((one) => one.dirty);
    try {
      await this.#receiveAll(wanted);
    } catch (error) {
      // One bad description must not keep the others out.
      for (const receiver of wanted) {
        if (wanted.length > 1) await this.#receiveAll([receiver]).catch((error) => this.#refuse(receiver, error));
        else this.#refuse(receiver, error);
      }
    }
  }

  async #receiveAll(wanted) {
    if (!wanted.length) return;
    const pc = this.#pc;
    const layout = [...this.#layout];
    const used = new Set(layout.map((section) => section.mid));
    const placed = new Set(wanted);
    for (const receiver of wanted) {
      if (!receiver.wanted || used.has(receiver.mid)) continue;
      const { kind, muxId } = receiver.description;
      if (muxId && !used.has(muxId)) receiver.mid = muxId;
      else do receiver.mid = `r${this.#names++}`; while (used.has(receiver.mid));
      used.add(receiver.mid);
      const section = { media: kind, mid: receiver.mid };
      // A section that is no longer used is used again, so that a session does not grow for ever.
      const free = layout.findIndex((one) => one.rejected && one.media === kind);
      if (free >= 0) layout[free] = section;
      else layout.push(section);
    }
    try {
      await pc.setRemoteDescription({ type: "offer", sdp: this.#compose("offer", layout, this.#applied, placed) });
      await pc.setLocalDescription(await pc.createAnswer());
    } catch (error) {
      if (pc.signalingState === "have-remote-offer") await pc.setRemoteDescription({ type: "rollback" });
      throw error;
    }
    this.#layout = eat(pc.localDescription.sdp);
    for (const receiver of wanted) {
      receiver.dirty = false;
      if (!receiver.wanted) this.#forget(receiver);
      else if (this.#layout.find((one) => one.mid === receiver.mid)?.rejected) {
        this.#refuse(receiver, fail("NotSupportedError", "the browser refuses the track"));
      } else {
        receiver.accepted = receiver.description;
        if (receiver.track) this.#regroup(receiver);
      }
    }
  }

  #refuse(receiver, error) {
    receiver.dirty = false;
    receiver.reject(error);
    if (receiver.accepted) receiver.description = receiver.accepted;
    else this.#receivers = this.#receivers.filter((one) => one !== receiver);
    this.#failed(error);
  }

  /** The streams of a track whose description came again. */
  #regroup(receiver) {
    const { msid } = receiver.description;
    const before = receiver.streams;
    if (msid.join() === before.map((stream) => stream.id).join()) return;
    receiver.streams = msid.map((id) => this.#streams.get(id)).filter(Boolean);
    this.#dropEmpty(before);
  }

  #forget(receiver) {
    this.#receivers = this.#receivers.filter((one) => one !== receiver);
    receiver.reject(fail("AbortError", "no longer received"));
    if (receiver.connected) {
      emitOn(receiver.track, "disconnected");
      for (const stream of receiver.streams) {
        if (!this.#receivers.some((one) => one.connected && one.streams.includes(stream))) emitOn(stream, "disconnected");
      }
    }
    this.#dropEmpty(receiver.streams);
  }

  #dropEmpty(streams) {
    for (const stream of streams) {
      if (this.#receivers.some((one) => one.streams.includes(stream)) || this.#streams.get(stream.id) !== stream) continue;
      this.#streams.delete(stream.id);
      this._emit("removestream", { stream });
    }
  }

  #passCandidates() {
    if (!this.#applied) return;
    const pc = this.#pc;
    const mid = this.#layout[0].mid;
    // Those of credentials that are yet to come stay.
    const rest = [];
    for (const candidate of this.#candidates.splice(0)) {
      if (candidate.usernameFrag && candidate.usernameFrag !== this.#applied.ufrag) rest.push(candidate);
      // One that the browser cannot use is no reason to fail.
      else pc.addIceCandidate({ ...candidate._native(mid), usernameFragment: this.#applied.ufrag }).catch(() => {});
    }
    this.#candidates = rest;
    if (this.#endOfCandidates) pc.addIceCandidate(null).catch(() => {});
  }

  // -- The peer's description -----------------------------------------------------------------

  /** In an offer, `placed` have their new descriptions; the others stay as they were accepted. */
  #compose(type, layout, side, placed = new Set()) {
    const describe = (receiver) => (placed.has(receiver) ? receiver.description : receiver.accepted ?? receiver.description);
    const setup = type === "offer" ? "actpass" : this.#setup;
    const own = new Map(this.#layout.map((section) => [section.mid, section]));
    const extensions = this.#extensions(type, layout, describe);
    const transport = (mid) => [
      "c=IN IP4 0.0.0.0",
      `a=mid:${mid}`,
      `a=ice-ufrag:${side.ufrag}`,
      `a=ice-pwd:${side.pwd}`,
      "a=ice-options:trickle",
      ...side.fingerprints.map(([algorithm, value]) => `a=fingerprint:${algorithm} ${value}`),
      `a=setup:${setup}`,
    ];
    const media = (kind, mid, codecs, direction, more) => {
      const transportCc = more.extensions?.some(({ uri }) => uri === TRANSPORT_CC);
      return [
        `m=${kind} 9 UDP/TLS/RTP/SAVPF ${codecs.map((codec) => codec["payload-id"]).join(" ")}`,
        ...transport(mid),
        "a=rtcp-mux",
        "a=rtcp-rsize",
        `a=${direction}`,
        ...(more.extensions ?? []).map(({ uri, id }) => `a=extmap:${id} ${uri}`),
        ...codecs.flatMap((codec) => [...codecLines(codec), ...feedbackLines(kind, codec, transportCc)]),
        ...(more.lines ?? []),
      ];
    };
    const bundled = [];
    const sections = layout.map((section, at) => {
      const { mid } = section;
      const mine = own.get(mid)?.codecs ?? [];
      const rejected = () => [`m=${section.media} 0 UDP/TLS/RTP/SAVPF 0`, "c=IN IP4 0.0.0.0", `a=mid:${mid}`, "a=inactive"];
      if (section.media === "application") {
        bundled.push(mid);
        return [
          "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
          ...transport(mid),
          "a=sctp-port:5000",
          `a=max-message-size:${side.maxMessageSize}`,
        ];
      }
      const receiver = this.#receivers.find((one) => one.mid === mid);
      if (section.rejected || (receiver && !receiver.wanted)) return rejected();
      bundled.push(mid);
      if (at === 0) return media("audio", mid, mine.slice(0, 1), "inactive", {});
      if (receiver) {
        const description = describe(receiver);
        const codecs = type === "offer" ? description.codecs : agreed(description.codecs, mine);
        return media(description.kind, mid, codecs, "sendonly", { extensions: extensions.get(mid), lines: sourceLines(description, mid) });
      }
      const slot = this.#slots.find((one) => one.mid === mid);
      if (!slot) return media(section.media, mid, mine.slice(0, 1), "inactive", {});
      const wanted = slot.track?._sent ?? slot.codecs;
      const codecs = wanted.filter((codec) => mine.some((other) => sameCodec(codec, other)));
      const helped = new Set(codecs.map((codec) => String(codec["payload-id"])));
      const useful = codecs.filter((codec) =>
        (draftName(codec.name) !== "rtx" || helped.has(param(codec, "apt"))) && carriedIds(codec).every((id) => helped.has(id)));
      const lines = slot.encodings ? simulcastLines(slot.encodings) : [];
      return media(slot.kind, mid, useful, slot.track ? "recvonly" : "inactive", { extensions: extensions.get(mid), lines });
    });
    return [
      "v=0",
      `o=- 1 ${++this.#version} IN IP4 127.0.0.1`,
      "s=-",
      "t=0 0",
      // RFC 8839 section 5.3: the browser controls then.
      ...(side.lite ? ["a=ice-lite"] : []),
      `a=group:BUNDLE ${bundled.join(" ")}`,
      "a=msid-semantic: WMS *",
      "a=extmap-allow-mixed",
      ...sections.flat(),
      "",
    ].join("\r\n");
  }

  /** RFC 8843 section 9: an id means one extension in all sections; what the peer sends has priority. */
  #extensions(type, layout, describe) {
    const uris = new Map();
    const ids = new Map();
    const fits = ({ uri, id }) => {
      if ((uris.has(id) && uris.get(id) !== uri) || (ids.has(uri) && ids.get(uri) !== id)) return false;
      uris.set(id, uri);
      ids.set(uri, id);
      return true;
    };
    const chosen = new Map();
    const inUse = new Set(layout.map((section) => section.mid));
    const offered = new Map(layout.map((section) => [section.mid, section.extensions ?? []]));
    const known = (mid) => ({ uri, id }) => offered.get(mid).some((one) => one.uri === uri && one.id === id);
    for (const receiver of this.#receivers) {
      if (!receiver.wanted || !inUse.has(receiver.mid)) continue;
      const { headerExtensions, muxId } = describe(receiver);
      const useful = headerExtensions.filter(({ uri }) => uri !== MID || receiver.mid === muxId);
      chosen.set(receiver.mid, (type === "answer" ? useful.filter(known(receiver.mid)) : useful).filter(fits));
    }
    for (const slot of this.#slots) {
      if (slot.mid !== null && inUse.has(slot.mid)) chosen.set(slot.mid, slot.extensions.filter(known(slot.mid)).filter(fits));
    }
    return chosen;
  }
}

/** Of the codecs described, those that the browser offers, under the ids that it has for them now. */
function agreed(described, offered) {
  const found = described.flatMap((codec) => {
    const same = (one) => one["payload-id"] === codec["payload-id"] && sameCodec(one, codec);
    const match = offered.find(same) ?? (draftName(codec.name) !== "rtx" && offered.find((one) => sameCodec(one, codec)));
    return match ? [match] : [];
  });
  return [...new Set(found)];
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

// ---------------------------------------------------------------------------------------------
// DTMF

const attachedDtmf = new WeakMap(); // MediaStream -> DTMF tracks

const DIGITS = /^[0-9A-D#*,]$/;
const DEFAULT_DURATION = 100;
const DEFAULT_GAP = 70;
const COMMA = 2000;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A track of kind "dtmf": digits played on the audio track that it is attached to. */
export class DTMFMediaStreamTrack extends Target {
  #track = null;
  #queue = [];
  #playing = false;
  #held = null;

  constructor() {
    super(["tonestart", "tonestop", "tone"]);
    this.kind = "dtmf";
    this.id = crypto.randomUUID();
    this.readyState = "live";
  }

  _attach(track) {
    this.#track = track;
    this.#run();
  }

  /** Appends a string of digits, a tone, or a list of tones. */
  play(tones) {
    const read = (Array.isArray(tones) ? tones : [tones]).flatMap((tone) => {
      const { digits, duration, interToneGap } = typeof tone === "string" ? { digits: tone } : tone;
      return [...String(digits).toUpperCase()].map((digit) => {
        if (!DIGITS.test(digit)) throw fail("InvalidCharacterError", `${digit} is no digit`);
        return {
          digit,
          duration: clamp(duration ?? DEFAULT_DURATION, 40, 6000),
          interToneGap: clamp(interToneGap ?? DEFAULT_GAP, 30, 6000),
        };
      });
    });
    if (this.#queue.length + read.length > 1000) throw fail("InvalidStateError", "too many digits wait");
    this.#queue.push(...read);
    this.#run();
  }

  /** Drops what waits. A browser cannot cut the tone that sounds; it ends by itself. */
  flush() {
    this.#queue = [];
    this.#held = null;
    try {
      this.#track?.sender.dtmf?.insertDTMF("");
    } catch {
      // Not connected: there is nothing to stop.
    }
  }

  /** A key is pressed. A browser must know a tone's length beforehand: it sounds at `tonestop`. */
  tonestart(digit) {
    const key = String(digit).toUpperCase();
    if (!DIGITS.test(key) || key === ",") throw fail("InvalidCharacterError", `${digit} is no digit`);
    this.#held = { key, since: performance.now() };
  }

  /** The key is released. */
  tonestop() {
    if (!this.#held) return;
    const { key, since } = this.#held;
    this.#held = null;
    this.play({ digits: key, duration: Math.round(performance.now() - since) });
  }

  #run() {
    if (this.#playing || !this.#track || !this.#queue.length) return;
    this.#playing = true;
    this.#render().catch(() => { this.#queue = []; }).then(() => {
      this.#playing = false;
      this.#run();
    });
  }

  async #render() {
    while (this.#queue.length && this.#track) {
      const { dtmf } = this.#track.sender;
      if (!dtmf?.canInsertDTMF) {
        await pause(20);
        if (!this.#track.sender.transport || this.#track.sender.transport.state !== "closed") continue;
        this.#queue = [];
        return;
      }
      const { digit, duration, interToneGap } = this.#queue.shift();
      if (digit === ",") {
        await pause(COMMA);
        continue;
      }
      const begun = new Promise((resolve) => {
        dtmf.ontonechange = ({ tone }) => tone && resolve(true);
        setTimeout(resolve, 1000);
      });
      dtmf.insertDTMF(digit, duration, interToneGap);
      if (!(await begun)) continue;
      const start = performance.now();
      this._emit("tonestart", { digit });
      await pause(duration);
      this._emit("tonestop", { digit });
      this._emit("tone", { tone: { digits: digit, duration: Math.round(performance.now() - start), interToneGap } });
      await pause(interToneGap);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// The draft's page, as written in 2013

/**
 * Puts the names where the draft has them: the classes on `scope`, the capabilities on its
 * `navigator`. With `{ page: true }` also brings back what pages of 2013 relied on and browsers
 * have dropped since: `navigator.getUserMedia` with callbacks, `URL.createObjectURL` of a stream,
 * and DTMF tracks in a MediaStream.
 */
export function install(scope = globalThis, { page = true } = {}) {
  Object.assign(scope, { RTCConnection, RTCTrack, RTCTrackDescription, RTCIceCandidateDescription, RTCSocket, DTMFMediaStreamTrack });
  Object.assign(scope.navigator, { getRTCCapabilities, getRTCCodec });
  if (!page) return;
  Object.defineProperty(scope.navigator, "getUserMedia", {
    configurable: true,
    value: (wanted, got, failed) => { scope.navigator.mediaDevices.getUserMedia(wanted).then(got, failed); },
  });
  const streams = new Map();
  const { createObjectURL } = scope.URL;
  scope.URL.createObjectURL = (object) => {
    if (!(object instanceof scope.MediaStream)) return createObjectURL.call(scope.URL, object);
    const url = `mediastream:${object.id}`;
    streams.set(url, object);
    return url;
  };
  const src = Object.getOwnPropertyDescriptor(scope.HTMLMediaElement.prototype, "src");
  Object.defineProperty(scope.HTMLMediaElement.prototype, "src", {
    ...src,
    set(url) {
      if (streams.has(url)) this.srcObject = streams.get(url);
      else src.set.call(this, url);
    },
  });
  const { addTrack } = scope.MediaStream.prototype;
  scope.MediaStream.prototype.addTrack = function (track) {
    if (!(track instanceof DTMFMediaStreamTrack)) return addTrack.call(this, track);
    attachedDtmf.set(this, [...(attachedDtmf.get(this) ?? []), track]);
    return track;
  };
}

// ---------------------------------------------------------------------------------------------

if (PC) {
  const made = [];
  for (let i = 0; i < POOL; i++) made.push(PC.generateCertificate({ name: "ECDSA", namedCurve: "P-256" }));
  certificates = await Promise.all(made);
  refill();
  await Promise.all([learn(), ...pool.map((seat) => seat.ready)]);
}
