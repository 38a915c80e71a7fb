// How much of the line each track may take.

export const BANDWIDTH = { audio: 50, video: 256 }; // kbit/s
const SCREEN = 1500; // kbit/s at least for a screen

/** `session` is what the track's stream is. */
export function limit(track, session, bandwidth) {
  const most = bandwidth[track.kind];
  const rate = most && session.screen && track.kind === "video" ? Math.max(most, SCREEN) : most;
  if (rate || track.mediaAttributes) track.mediaAttributes = rate ? [{ maxBitrate: rate * 1000 }] : null;
}
