// What a session says to those it is connected to: messages, files, actions.
import { Target } from "../ortc/events.js";
import { fail } from "./errors.js";
import { Files } from "./files/files.js";

export class Conversation extends Target {
  #handlers = new Map();

  /** `taken()`: whether files are. */
  constructor(events, taken) {
    super(events);
    this.files = new Files({
      peers: (room) => this._in(room).peers,
      emit: (name, fields) => this._emit(name, fields),
      taken,
    });
  }

  /** Text, JSON or bytes, to all in the room or to one. */
  send(data, { to, room } = {}) {
    const { session, peers, speech } = this._in(room);
    if (!session.data) throw fail("noData", "this session has no data");
    for (const { talk } of to === undefined && speech ? [{ talk: speech }] : chosen(peers, to)) talk.send(data);
  }

  /** Files to all in the room or to one; see files/files.js. Each transfer tells how far it is. */
  sendFiles(items, { to, room, later, key } = {}) {
    const { session, name, peers } = this._in(room);
    if (!session.data) throw fail("noData", "this session has no data");
    if (this.role === "inspector") throw fail("notAllowed", "who looks on sends nothing");
    chosen(peers, to);
    return this.files.send(items, { to, room: name, later, key });
  }

  /** An action by its name. To one user with `answer`, it resolves with the answer; with `lossy` it goes at once or not at all. */
  action(name, body, { to, answer = false, lossy = false, room } = {}) {
    const { peers: all, speech } = this._in(room);
    const peers = to === undefined && speech && !answer ? [{ talk: speech }] : chosen(all, to);
    if (answer) return peers[0].talk.action(name, body, true);
    for (const peer of peers) peer.talk[lossy ? "actionLossy" : "action"](name, body);
    return undefined;
  }

  /** What answers the actions of this name: it is given `{ body, userid, room }`. */
  handle(name, handler) { this.#handlers.set(name, handler); }

  async _act(room, name, body, peer, latency) {
    const action = { room, userid: peer.userid, extra: peer.user.extra, name, body, latency };
    this._emit("action", action);
    return this.#handlers.get(name)?.(action);
  }
}

function chosen(peers, to) {
  if (to === undefined) return peers;
  const found = peers.filter(({ userid }) => userid === to);
  if (!found.length) throw fail("noSuchUser", `${to} is not connected to`);
  return found;
}
