// The track description that signalling carries.
import { readCodec } from "./codecs.js";
import { refuseForeign } from "./foreign.js";
import { fail, list, withoutNulls, word } from "./tools.js";

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
