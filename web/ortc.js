// The Object RTC API of September 2013 for browsers, over RTCPeerConnection.
//
// What crosses between two peers is JSON: a side (ICE credentials and DTLS fingerprint), candidates
// and track descriptions, in the same form as the Rust crate `ortc` has it. Session descriptions
// are made and eaten in ortc/session.js, and never leave the page.

export { RTCIceCandidateDescription } from "./ortc/candidate.js";
export { getRTCCapabilities, getRTCCodec } from "./ortc/capabilities.js";
export { RTCConnection } from "./ortc/connection.js";
export { RTCTrackDescription } from "./ortc/description.js";
export { DTMFMediaStreamTrack } from "./ortc/dtmf.js";
export { install } from "./ortc/install.js";
export { RTCSocket } from "./ortc/socket.js";
export { RTCTrack } from "./ortc/track.js";
