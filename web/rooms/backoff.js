// How long to wait between tries: random, so that all who lost the same server do not come at once.

const FIRST = 1000; // ms
const BASE = 500;
const MOST = 10_000;

export class Backoff {
  #tries = 0;

  next() {
    const most = this.#tries++ === 0 ? FIRST : Math.min(MOST, BASE * 2 ** (this.#tries - 1));
    return Math.random() * most;
  }

  reset() { this.#tries = 0; }
}
