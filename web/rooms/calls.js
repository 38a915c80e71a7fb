// Calls: one user asks another, who accepts, rejects or is busy. Who accepted meets the caller in a
// room of the call.
import { randomId } from "./ids.js";

export class Call {
  #host;
  status = "new";

  /** `host` has `send(message)` and `enter(call)`. */
  constructor(host, { id = randomId(16), userid, user = null, session = {}, mine }) {
    this.#host = host;
    Object.assign(this, { id, userid, user, session, mine });
    /** Resolves with the status that ends the ringing: accepted, rejected, busy, cancelled, timeout or gone. */
    this.settled = new Promise((resolve) => { this.settle = resolve; });
  }

  get over() { return !["new", "ringing"].includes(this.status); }
  #answer(answer) { this.#host.send({ answer: { call: this.id, to: this.userid, answer } }); }

  accept() { this.#answer("accept"); }
  reject() { this.#answer("reject"); }
  busy() { this.#answer("busy"); }
  cancel() { this.#answer("cancel"); }

  /** The room of an accepted call. */
  enter() { return this.#host.enter(this); }
}

/** All calls of a session that are not over. */
export class Calls {
  #host;
  #all = new Map();

  /** `host` has `send`, `me`, `emit(name, fields)` and `enter(call)`. */
  constructor(host) { this.#host = host; }

  get all() { return [...this.#all.values()]; }

  ask(userid, session) {
    const call = new Call(this.#host, { userid, session, mine: true });
    this.#all.set(key(call), call);
    this.#host.send({ call: { call: call.id, to: userid, session } });
    return call;
  }

  came({ call: id, from, session }) {
    const call = new Call(this.#host, { id, userid: from.userid, user: from, session, mine: false });
    call.status = "ringing";
    this.#all.set(key(call), call);
    this.#host.emit("callRequest", { call, userid: from.userid, extra: from.extra, session });
  }

  status({ call: id, with: userid, status }) {
    const call = this.#all.get(key({ id, userid, mine: true })) ?? this.#all.get(key({ id, userid, mine: false }));
    if (!call) return;
    this.#move(call, status);
  }

  /** The server refused what was asked for it. */
  refused(call) { this.#move(call, "gone"); }

  #move(call, status) {
    call.status = status;
    if (call.over) {
      this.#all.delete(key(call));
      call.settle(status);
    }
    this.#host.emit("callStatus", { call, userid: call.userid, status });
  }
}

const key = ({ id, userid, mine }) => `${mine ? "to" : "from"} ${userid} ${id}`;
