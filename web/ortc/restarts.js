// What browsers ask of ICE restarts beyond their own session: when to begin, what to wait for.
import { pause } from "./tools.js";

// Firefox takes new credentials of the peer only with new ones of its own (RFC 8839 section 4.4.1.1.1
// has both sides change); Chromium takes them alone, as the Rust crate does.
export const BOTH_RESTART = /Firefox\//.test(globalThis.navigator?.userAgent ?? "");

const PATIENCE = 1000; // ms in which the peer may answer a restart with one of its own
const THROUGH = 8000; // ms for a restart to have found its path
const HEAD_START = 200; // ms in which credentials and candidates reach the peer before a check does

async function until(look, ms) {
  for (const end = performance.now() + ms; performance.now() < end && !look(); ) await pause(10);
}

export class Restarts {
  #pc;
  #any = false;

  constructor(pc) {
    this.#pc = pc;
  }

  /**
   * Before new credentials in Firefox: it leaves the path in use, and ends, when a restart begins
   * before the one before it has found a path. Chromium checks each 2.5 s only while its path works.
   */
  async begin() {
    if (BOTH_RESTART && this.#any) await until(() => this.#pc.iceConnectionState !== "checking", THROUGH);
    this.#any = true;
  }

  /** After an offer with new credentials: gives the peer time to answer with its own, if both must. */
  async offered(peerMoved) {
    if (BOTH_RESTART) await until(peerMoved, PATIENCE);
  }

  /** After an answer with new credentials: the peer must know them before what checks it. */
  answered() { return pause(HEAD_START); }

  /**
   * For a restart in Chromium while the path in use works: how long to keep its candidates from the
   * peer, which is until a candidate of a peer that restarts too is in the browser. That peer's
   * checks would else be there before its credentials and candidates; Chromium makes a pair of their
   * source and drops it for ever, since the path in use is as good and the pair's priority lower.
   * Null where nothing is kept.
   */
  quiet(peerCame) {
    const works = () => this.#pc.connectionState === "connected";
    if (BOTH_RESTART || !works()) return null;
    return until(() => peerCame() || !works(), PATIENCE).then(() => pause(50)); // the others of its batch
  }
}
