// What a session tells.

export const EVENTS = [
  "lost", "resumed", "ended", "goodbye", "rooms", "entered", "joined", "left", "owner", "extra", "policy", "presenter", "closed",
  "said", "callRequest", "callStatus", "stream", "streamEnded", "mute", "unmute", "open", "close", "message",
  "action", "peerState", "unreached", "path", "speakers", "impostor", "error", "signal",
  "fileOffer", "fileStart", "fileProgress", "fileReceived", "fileSent", "fileEnd",
];
