// ICE candidates.
import { refuseForeign } from "./foreign.js";
import { copy, fail, word } from "./tools.js";

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
