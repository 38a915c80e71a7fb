// Candidates of this side, on their way to the application.

export class LocalCandidates {
  #held = [];
  #holds = 0;

  /** `tell` says one of them, or their end. */
  add(tell) {
    if (this.#holds) this.#held.push(tell);
    else tell();
  }

  /** Keeps back what comes until `done`. */
  async hold(done) {
    this.#holds++;
    await done;
    if (--this.#holds === 0) for (const tell of this.#held.splice(0)) tell();
  }
}
