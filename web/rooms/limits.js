// How much of the line, and of this machine, each track may take; and by what way.

export const BANDWIDTH = { audio: 50, video: 256 }; // kbit/s
const SCREEN = 1500; // kbit/s at least for a screen
/** A picture is made for each peer: with so many, at most so wide and so often. */
const CROWDS = [{ over: 4, videoMaxWidth: 320, videoMaxHeight: 240, maxFramerate: 15 }, { over: 2, videoMaxWidth: 640, videoMaxHeight: 480 }];

export class Limits {
  #crowd;

  constructor(bandwidth = BANDWIDTH) { this.bandwidth = { ...BANDWIDTH, ...bandwidth }; }

  /** Whether other limits hold with so many peers. */
  among(peers) {
    const crowd = CROWDS.find(({ over }) => peers > over);
    const changed = crowd !== this.#crowd;
    this.#crowd = crowd;
    return changed;
  }

  /** `session` is what the track's stream is. */
  apply(track, session) {
    const most = this.bandwidth[track.kind];
    const screen = track.kind === "video" && session.screen;
    const rate = most && screen ? Math.max(most, SCREEN) : most;
    const { over: _, ...size } = (track.kind === "video" && !screen && this.#crowd) || {};
    const limits = { ...(rate && { maxBitrate: rate * 1000 }), ...size };
    if (Object.keys(limits).length || track.mediaAttributes) track.mediaAttributes = Object.keys(limits).length ? [limits] : null;
  }
}

/** What a connection is made with: the server's STUN and TURN, and those of the options. */
export function configurationOf({ iceServers = [], candidates = {} }, given = []) {
  const relayed = candidates.host === false && candidates.reflexive === false;
  if (relayed && candidates.relay === false) throw new TypeError("candidates: at least one kind must stay true");
  return { iceServers: [...given, ...iceServers], ...(relayed && { iceTransportPolicy: "relay" }) };
}
