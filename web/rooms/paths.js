// How each user is reached, and how well: direct or relayed, round-trip time, rates, loudness.

const LOOKS = 1_000; // ms

const sum = (rows, name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);

/** What statistics say of the way, with the figures of the time before. */
function pathOf({ transport, inboundRtp, outboundRtp }, now, last) {
  const { path, currentRoundTripTime } = transport;
  const energy = sum(inboundRtp.filter(({ kind }) => kind === "audio"), "totalAudioEnergy");
  const bytes = { energy, in: sum(inboundRtp, "bytesReceived"), out: sum(outboundRtp, "bytesSent"), now };
  const rate = (way) => (last && now > last.now ? Math.max(0, (bytes[way] - last[way]) * 8) / (now - last.now) : 0);
  return {
    kind: path ? (path.local === "relay" || path.remote === "relay" ? "relayed" : "direct") : null,
    local: path?.local ?? null, remote: path?.remote ?? null, protocol: path?.protocol ?? null,
    /** ms */
    roundTrip: currentRoundTripTime === null ? null : Math.round(currentRoundTripTime * 1000),
    /** kbit/s */
    rateIn: Math.round(rate("in")), rateOut: Math.round(rate("out")),
    /** Of what was heard since, 0 to 1. */
    level: last && now > last.now ? Math.sqrt(Math.max(0, energy - last.energy) / ((now - last.now) / 1000)) : 0,
    lost: sum(inboundRtp, "packetsLost"), received: sum(inboundRtp, "packetsReceived"),
    rows: inboundRtp, sent: outboundRtp, bytes,
  };
}

/** Of all that comes by a hub what is of this user. */
function ownOf(stats, peer) {
  if (!peer.byHub) return stats;
  const sources = new Set(peer.streams.flatMap(({ stream }) => peer.connection.sources(stream).map(String)));
  return { ...stats, inboundRtp: stats.inboundRtp.filter(({ ssrc }) => sources.has(String(ssrc))) };
}

export class Paths {
  #peers;
  #tell;
  #known = new Map(); // peer → { connection, path }
  #timer;

  constructor(peers, tell) {
    this.#peers = peers;
    this.#tell = tell;
    this.#timer = setInterval(() => this.look(), LOOKS);
  }

  of(peer) {
    const known = this.#known.get(peer);
    return known && known.connection === peer.connection ? known.path : null;
  }

  async look() {
    const peers = this.#peers();
    const looked = new Map(); // connection → its statistics, which several share
    for (const peer of peers) {
      const { connection } = peer;
      if (connection?.state !== "connected") continue;
      if (!looked.has(connection)) looked.set(connection, await connection.stats());
      if (peer.connection !== connection) continue;
      const before = this.of(peer);
      const path = pathOf(ownOf(looked.get(connection), peer), performance.now(), before?.bytes);
      if (peer.byHub && path.kind) path.kind = "hub";
      this.#known.set(peer, { connection, path });
      const changed = ["kind", "local", "remote", "protocol"].some((name) => before?.[name] !== path[name]);
      if (changed && path.kind) this.#tell({ userid: peer.userid, room: peer.room, path });
    }
    const there = new Set(this.#peers());
    for (const peer of this.#known.keys()) if (!there.has(peer)) this.#known.delete(peer);
  }

  end() { clearInterval(this.#timer); }
}
