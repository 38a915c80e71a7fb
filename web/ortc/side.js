// A side of a connection: ICE credentials and DTLS fingerprints, in every accepted spelling.
import { fail, list, word } from "./tools.js";

const ICE_CHARS = /^[A-Za-z0-9+/]+$/;

export function readFingerprints(raw) {
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
export function readSide(raw) {
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

export function checkSide(side) {
  const { ufrag, pwd } = side;
  if (ufrag.length < 4 || ufrag.length > 256 || !ICE_CHARS.test(ufrag)) {
    throw fail("InvalidAccessError", "usernameFrag must have 4 to 256 letters, digits, '+' or '/'");
  }
  if (pwd.length < 22 || pwd.length > 256 || !ICE_CHARS.test(pwd)) {
    throw fail("InvalidAccessError", "password must have 22 to 256 letters, digits, '+' or '/'");
  }
}

// Row G35.
/** Whether the peer is the DTLS client of this side: the side with the greater credentials controls, and is the server. */
export function isClient({ role, ufrag, pwd }, { usernameFrag, password }) {
  if (role === "client" || role === "server") return role === "client";
  return usernameFrag === ufrag ? password >= pwd : usernameFrag > ufrag;
}
