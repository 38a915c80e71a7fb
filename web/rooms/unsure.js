// What was given to a connection and is not known to have come: one that is lost takes with it what its association had.
// Each side counts what it gets of the other, over all connections of the pair, and tells the count.

const MAX_KEPT = 1024; // messages
const UNTOLD = 64; // of one that has not told its count: it may never

export class Unsure {
  #gone = []; // over the present channel
  #from = 0; // the other side's count before those; null: not known
  #told = false; // it told its count over this channel; until then so many are kept no longer
  #skipped = 0;
  #old = []; // over channels of before, until the count is heard again
  #oldFrom = null;

  /** There is another channel. */
  begin() {
    // While the count is waited for nothing goes.
    if (!this.waits && this.#gone.length) [this.#old, this.#oldFrom, this.#gone, this.#from] = [this.#gone, this.#from, [], null];
    [this.#told, this.#skipped] = [false, 0];
  }

  /** Whether the count is to be waited for before anything goes. */
  get waits() { return this.#old.length > 0; }

  /** Something is about to be given to the channel. */
  goes(packed) {
    this.#gone.push(packed);
    while (this.#gone.length > (this.#told ? MAX_KEPT : UNTOLD)) this.#came();
  }

  #came() {
    this.#gone.shift();
    if (this.#from !== null) this.#from++;
    if (!this.#told) this.#skipped++;
  }

  /** The other side has got so many in all: gives what has to go again, before all else. */
  got(count) {
    if (!Number.isSafeInteger(count)) return [];
    if (this.#told) {
      while (this.#from < count && this.#gone.length) this.#came();
      return [];
    }
    const [old, missing] = [this.#old, count - this.#oldFrom];
    [this.#told, this.#from, this.#old] = [true, count + this.#skipped, []];
    // Otherwise it lives anew, or this side does.
    return this.#oldFrom !== null && missing >= 0 && missing <= old.length ? old.slice(missing) : [];
  }

  /** Nothing goes again. */
  forget() { this.#old = []; }
}
