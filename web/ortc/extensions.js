// RTP header extensions.

export const MID = "urn:ietf:params:rtp-hdrext:sdes:mid";
export const RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
export const REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
export const TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
export const SENT_EXTENSIONS = [
  LEVEL,
  ABS_SEND_TIME,
  "urn:3gpp:video-orientation",
  TRANSPORT_CC,
];

// In a BUNDLE group a number means one extension (RFC 8843 section 9), in both directions: with
// those of peers and pages the same, none of them stands in the way of another. They are Chromium's.
export const NUMBERS = [[LEVEL, 1], [ABS_SEND_TIME, 2], [TRANSPORT_CC, 3], [MID, 4]].map(([uri, id]) => ({ uri, id }));

/** These, under the numbers that are the same in every page. */
export function numbered(extensions) {
  return extensions.map((one) => NUMBERS.find(({ uri }) => uri === one.uri) ?? one);
}

/** Whether a browser that numbered these has other numbers. */
export function numbersDiffer(extensions) {
  return numbered(extensions).some(({ id }, at) => id !== extensions[at].id);
}
