// What people pass that know WebRTC with session descriptions.
import { fail } from "./tools.js";

/** Calls it by its name, and says what is wanted; `readable` are the forms that are read all the same. */
export function refuseForeign(raw, wanted, ...readable) {
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
