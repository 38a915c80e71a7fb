// Candidates of this side, on their way to the application.
import { pause } from "./tools.js";

const PATIENCE = 1000; // ms in which a peer may answer a restart with one of its own
const BATCH = 50; // ms in which a peer's other candidates follow its first

export class LocalCandidates {
  #held = [];
  #holds = 0;

  /** `tell` says one of them, or their end. */
  add(tell) {
    if (this.#holds) this.#held.push(tell);
    else tell();
  }

  /**
   * For a restart in Chromium while the path in use works: keeps back what comes until a candidate
   * of a peer that restarts too is in the browser, if it does. Such a peer's checks would else be
   * there before its credentials and candidates; Chromium makes a pair of their source and drops it
   * for ever, since the path in use is as good and the pair's priority lower: a path to an end that
   * the peer has left.
   */
  async hold(answered) {
    this.#holds++;
    const end = performance.now() + PATIENCE;
    while (performance.now() < end && !answered()) await pause(10);
    await pause(BATCH);
    if (--this.#holds === 0) for (const tell of this.#held.splice(0)) tell();
  }
}
