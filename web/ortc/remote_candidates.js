// Candidates of the peer, on their way into the browser.

const MOST = 200; // that wait for the peer's credentials

export class RemoteCandidates {
  #pc;
  #waiting = [];
  #ended = false;
  /** The credentials with which the last ones were passed on. */
  passed = null;

  constructor(pc) {
    this.#pc = pc;
  }

  add(candidate) {
    if (candidate._native("0") && this.#waiting.length < MOST) this.#waiting.push(candidate);
  }

  end() {
    this.#ended = true;
  }

  /** Passes on those of the credentials that the browser has now; `mid` is the section of the transport. */
  pass(ufrag, mid) {
    const rest = [];
    for (const candidate of this.#waiting.splice(0)) {
      if (candidate.usernameFrag && candidate.usernameFrag !== ufrag) rest.push(candidate);
      else {
        // One that the browser cannot use is no reason to fail.
        this.passed = ufrag;
        this.#pc.addIceCandidate({ ...candidate._native(mid), usernameFragment: ufrag }).catch(() => {});
      }
    }
    this.#waiting = rest;
    if (this.#ended) this.#pc.addIceCandidate(null).catch(() => {});
  }
}
