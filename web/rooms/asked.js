// What was asked of the server and is not answered yet.

export class Asked {
  #all = []; // { entry, room, enters, resolve, reject }

  /** `entry` has the number that answers name; a room is entered, or left. */
  add(entry, room, enters) {
    return new Promise((resolve, reject) => this.#all.push({ entry, room, enters, resolve, reject }));
  }

  #settle(look, settle) {
    const at = this.#all.findIndex(look);
    if (at >= 0) settle(this.#all.splice(at, 1)[0]);
    return at >= 0;
  }

  entered(name, about, room) {
    const of = ({ entry, room: wanted }) => (about === undefined ? wanted === name : entry.seq === about);
    this.#settle((one) => one.enters && of(one), ({ resolve }) => resolve(room));
  }

  left(name) { this.#settle((one) => !one.enters && one.room === name, ({ resolve }) => resolve()); }

  /** Whether this was asked. */
  refused(about, error) {
    return about !== undefined && this.#settle(({ entry }) => entry.seq === about, ({ reject }) => reject(error));
  }

  fail(error) { for (const { reject } of this.#all.splice(0)) reject(error); }
}
