// How much of the line, and of this machine, each track may take; and by what way.

export const BANDWIDTH = { audio: 50, video: 256 }; // kbit/s
const SCREEN = 1500; // kbit/s at least for a screen
/** What a hub gets of a camera, once for all: it sends each the size that suits. Shares are of the rate of the largest. */
const LAYERS = [{ rid: "q", resolutionScale: 4, share: 0.12 }, { rid: "h", resolutionScale: 2, share: 0.35 }, { rid: "f", resolutionScale: 1, share: 1 }];
const CALM = 1_000; // ms without another who goes until pictures are larger again: while a room goes over to its hub each would begin anew in vain
const ONCE = 900; // kbit/s of a camera that is sent to a hub, unless told
/** A picture is made for each peer: with so many, at most so wide and so often. */
const CROWDS = [{ over: 4, videoMaxWidth: 320, videoMaxHeight: 240, maxFramerate: 15 }, { over: 2, videoMaxWidth: 640, videoMaxHeight: 480 }];

export class Limits {
  #crowd;
  #simulcast;
  #timer = 0;

  constructor(bandwidth = {}, simulcast = SIMULCASTS) {
    this.bandwidth = { ...bandwidth };
    this.#simulcast = simulcast;
  }

  /** With so many peers other limits may hold: narrower ones at once, wider ones when those who go have gone. `again` brings in line what is sent. */
  among(peers, again) {
    clearTimeout(this.#timer);
    const at = CROWDS.findIndex(({ over }) => peers > over);
    const crowd = CROWDS[at];
    if (crowd === this.#crowd) return;
    const change = () => {
      this.#crowd = crowd;
      again();
    };
    const narrower = crowd && (!this.#crowd || at < CROWDS.indexOf(this.#crowd));
    if (narrower) change();
    else this.#timer = setTimeout(change, CALM);
  }

  end() { clearTimeout(this.#timer); }

  /** `session` is what the track's stream is; `passes`: it goes to a hub. Whether other limits hold than before: to set them has an encoder begin anew. */
  apply(track, session, passes = false) {
    const wanted = this.#wanted(track, session, passes);
    if (JSON.stringify(wanted) === JSON.stringify(track.mediaAttributes)) return false;
    track.mediaAttributes = wanted;
    return true;
  }

  #wanted(track, session, passes) {
    const screen = track.kind === "video" && session.screen;
    const layers = passes && track.kind === "video" && !screen && this.#simulcast;
    const usual = layers ? ONCE : BANDWIDTH[track.kind];
    const told = this.bandwidth[track.kind];
    const most = told === undefined ? usual : told;
    const rate = most && screen ? Math.max(most, SCREEN) : most;
    if (layers) return LAYERS.map(({ share, ...layer }) => ({ ...layer, ...(rate && { maxBitrate: Math.round(rate * share * 1000) }) }));
    const { over: _, ...size } = (track.kind === "video" && !screen && this.#crowd) || {};
    const limits = { ...(rate && { maxBitrate: rate * 1000 }), ...size };
    return Object.keys(limits).length ? [limits] : null;
  }
}

/** Chromium. Firefox can, but on a full machine its three encoders now and then send no picture at all for seconds. */
const SIMULCASTS = Boolean(globalThis.RTCRtpTransceiver?.prototype.setHeaderExtensionsToNegotiate);

/** What a connection is made with: the server's STUN and TURN, and those of the options. */
export function configurationOf({ iceServers = [], candidates = {} }, given = []) {
  const relayed = candidates.host === false && candidates.reflexive === false;
  if (relayed && candidates.relay === false) throw new TypeError("candidates: at least one kind must stay true");
  return { iceServers: [...given, ...iceServers], ...(relayed && { iceTransportPolicy: "relay" }) };
}
