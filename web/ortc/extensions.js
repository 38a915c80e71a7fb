// RTP header extensions.

export const MID = "urn:ietf:params:rtp-hdrext:sdes:mid";
export const RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
export const REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
export const TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
export const SENT_EXTENSIONS = [
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  "urn:3gpp:video-orientation",
  TRANSPORT_CC,
];
