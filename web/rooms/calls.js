// Calls: one user asks another, who accepts, rejects or is busy. Who accepted meets the caller in a
// room of the call, and leaving that ends it.
import { randomId } from "./ids.js";
import { directionOf } from "./kind.js";

const OPEN = ["new", "ringing", "accepted"];

export class Call {
  #host;
  /** new, ringing, accepted, or why it is over: rejected, busy, cancelled, timeout, gone, or refused by the server. */
  status = "new";
  /** In words, where the server refused it. */
  reason = null;
  /** Whether this side ended it. */
  byMe = false;

  constructor(host, { id = randomId(16), userid, user = null, session = {}, mine }) {
    this.#host = host;
    Object.assign(this, { id, userid, user, session, mine });
    /** Resolves with the status that ends the ringing. */
    this.settled = new Promise((resolve) => { this.settle = resolve; });
  }

  get over() { return !OPEN.includes(this.status); }
  /** Where both meet. */
  get room() { return `call/${this.mine ? this.#host.me() : this.userid}/${this.id}`; }
  #answer(answer) { this.#host.send({ answer: { call: this.id, to: this.userid, answer } }); }

  accept() {
    this.#answer("accept");
    this.#host.move(this, "accepted");
  }

  reject() {
    this.#answer("reject");
    this.#host.move(this, "rejected");
  }

  busy() {
    this.#answer("busy");
    this.#host.move(this, "busy");
  }

  /** Asks no longer, or ends a call that was accepted. */
  cancel() {
    if (this.over) return;
    this.byMe = true;
    this.#answer("cancel");
    this.#host.move(this, "cancelled");
  }

  /** Two, unless it was asked for otherwise, in a room that nobody else is told of. */
  enter() {
    const { session } = this;
    const said = session.oneway || session.broadcast || session["many-to-many"] || session.direction;
    const kind = said ? session : { ...session, direction: "one-to-one" };
    const two = directionOf(kind) === "one-to-one" && { maxParticipantsAllowed: 1 };
    return this.#host.enter(this.room, { session: kind, policy: { hidden: true, ...two } });
  }
}

/** The calls of a session that are not over. */
export class Calls {
  #host;
  #all = new Map();
  #entries = new Map(); // Call → what the server's answer names

  /** `host` has `me`, `send`, `emit(name, fields)` and `enter(room, options)`. */
  constructor(host) { this.#host = { ...host, move: (call, status) => this.#move(call, status) }; }

  get all() { return [...this.#all.values()]; }

  ask(userid, session) {
    const call = new Call(this.#host, { userid, session, mine: true });
    this.#all.set(key(call), call);
    this.#entries.set(call, this.#host.send({ call: { call: call.id, to: userid, session } }));
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
    if (call) this.#move(call, status);
  }

  /** Whether the server refused a call. */
  refused(about, { message }) {
    const [call] = [...this.#entries].find(([, { seq }]) => about !== undefined && seq === about) ?? [];
    if (!call) return false;
    call.reason = message;
    this.#move(call, "refused");
    return true;
  }

  /** This side has left a room. */
  left(room) { for (const call of this.all) if (call.status === "accepted" && call.room === room) call.cancel(); }

  #move(call, status) {
    if (call.status === status || call.over) return;
    call.status = status;
    if (call.over) {
      this.#all.delete(key(call));
      this.#entries.delete(call);
    }
    if (status !== "ringing") call.settle(status);
    this.#host.emit("callStatus", { call, userid: call.userid, status });
  }
}

const key = ({ id, userid, mine }) => `${mine ? "to" : "from"} ${userid} ${id}`;
