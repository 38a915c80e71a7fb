// The browser's statistics in the shape of the Rust crate's, with what browsers know besides.

/** `state` is the connection's, `sent` the SSRCs of its tracks. */
export function readStats(report, state, sent) {
  const all = [...report.values()];
  const byId = new Map(all.map((one) => [one.id, one]));
  const of = (type) => all.filter((one) => one.type === type && !one.isRemote);
  const codec = (one) => byId.get(one.codecId)?.mimeType?.split("/")[1] ?? null;
  return {
    transport: readTransport(of, byId, state),
    inboundRtp: of("inbound-rtp").map((one) => ({ ...inbound(one), codec: codec(one) })),
    outboundRtp: of("outbound-rtp").filter((one) => one.rid || sent.has(String(one.ssrc)))
      .map((one) => ({ ...outbound(one, byId.get(one.remoteId) ?? {}), codec: codec(one) })),
  };
}

function readTransport(of, byId, state) {
  const transport = of("transport")[0] ?? {};
  const pair = byId.get(transport.selectedCandidatePairId) ?? of("candidate-pair").find((one) => one.selected || (one.nominated && one.state === "succeeded"));
  const local = byId.get(pair?.localCandidateId);
  const remote = byId.get(pair?.remoteCandidateId);
  return {
    state,
    iceRole: transport.iceRole ?? null,
    dtlsRole: transport.dtlsRole ?? null,
    dtlsState: transport.dtlsState ?? null,
    dtlsCipher: transport.dtlsCipher ?? null,
    srtpCipher: transport.srtpCipher ?? null,
    currentRoundTripTime: pair?.currentRoundTripTime ?? null,
    availableOutgoingBitrate: pair?.availableOutgoingBitrate ?? null,
    path: local && remote ? { local: local.candidateType, remote: remote.candidateType, protocol: local.protocol, address: remote.address ?? remote.ip ?? null, port: remote.port ?? null } : null,
  };
}

const inbound = (one) => ({
  ssrc: one.ssrc, kind: one.kind,
  packetsReceived: one.packetsReceived ?? 0, bytesReceived: one.bytesReceived ?? 0, packetsLost: one.packetsLost ?? 0, jitter: one.jitter ?? 0,
  framesDecoded: one.framesDecoded ?? null, framesPerSecond: one.framesPerSecond ?? null,
  frameWidth: one.frameWidth ?? null, frameHeight: one.frameHeight ?? null,
  totalAudioEnergy: one.totalAudioEnergy ?? null, totalSamplesReceived: one.totalSamplesReceived ?? null,
  concealedSamples: one.concealedSamples ?? null, fecPacketsReceived: one.fecPacketsReceived ?? 0,
  nackCount: one.nackCount ?? 0, pliCount: one.pliCount ?? 0, mid: one.mid ?? null,
});

const outbound = (one, report) => ({
  ssrc: one.ssrc, kind: one.kind, rid: one.rid ?? null,
  packetsSent: one.packetsSent ?? 0, bytesSent: one.bytesSent ?? 0,
  framesEncoded: one.framesEncoded ?? null, frameWidth: one.frameWidth ?? null, frameHeight: one.frameHeight ?? null, framesPerSecond: one.framesPerSecond ?? null,
  nackCount: one.nackCount ?? 0, pliCount: one.pliCount ?? 0, retransmittedPacketsSent: one.retransmittedPacketsSent ?? 0,
  remotePacketsLost: report.packetsLost ?? null, roundTripTime: report.roundTripTime ?? null,
});
