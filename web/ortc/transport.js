// How the browser's transport fares, in the words of this API.
import { RTCIceCandidateDescription } from "./candidate.js";
import { copy } from "./tools.js";

/**
 * Tells `host` of it: `state(name, reason)`, `end(reason)`, `emit` for the connection's events, and
 * `candidate` for those of this side's candidates.
 * `transport()` gives the browser's DTLS transport, `fingerprint()` this side's.
 */
export function watchTransport(pc, host) {
  let told = null; // the credentials whose first candidate had the fingerprint
  pc.onicecandidate = ({ candidate }) => {
    if (!candidate) return host.candidate("endofcandidates");
    if (!candidate.candidate || candidate.component === "rtcp") return;
    const described = new RTCIceCandidateDescription(candidate);
    if (told !== described.usernameFrag) {
      told = described.usernameFrag;
      described.dtls = { fingerprint: copy(host.fingerprint()) };
    }
    host.candidate("candidate", { candidate: described });
  };
  pc.onconnectionstatechange = () => {
    const dtls = host.transport();
    switch (pc.connectionState) {
      case "connected": {
        const ice = dtls?.iceTransport;
        if (ice && !ice.onselectedcandidatepairchange) {
          ice.onselectedcandidatepairchange = () => tellPair(ice, host);
          tellPair(ice, host);
        }
        return host.state("connected");
      }
      case "disconnected": return host.state("halted", "ConsentLost");
      case "failed":
        if (dtls?.state === "failed") return host.end("DtlsFailed");
        if (dtls?.state === "closed") return host.end("RemoteClosed");
        return host.state("halted", "IceFailed");
      case "closed": return host.end("RemoteClosed");
    }
  };
}

function tellPair(ice, host) {
  const pair = ice.getSelectedCandidatePair?.();
  if (!pair?.local || !pair.remote) return;
  host.emit("activecandidate", {
    localCandidate: new RTCIceCandidateDescription(pair.local),
    remoteCandidate: new RTCIceCandidateDescription(pair.remote),
  });
}
