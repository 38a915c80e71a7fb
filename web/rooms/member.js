// One other user of a room who is reached by its hub: to the application as a peer.
import { HeardStreams } from "./heard_streams.js";
import { Speech } from "./speech.js";

/** What is said to one by the hub. */
class ByHub extends Speech {
  #hub;
  #userid;

  constructor(hub, userid) {
    super();
    this.#hub = hub;
    this.#userid = userid;
  }

  get #talk() { return this.#hub.peer.talk; }
  get open() { return this.#talk.open && this.#hub.lists(this.#userid); }
  get roundTrip() { return this.#talk.roundTrip; }
  get offset() { return this.#talk.offset; }

  _put(packed) { this.#talk._put({ ...packed, to: this.#userid }); }
  _lossy(message) { this.#talk._lossy(message, this.#userid); }
  flushed(done) { this.#talk.flushed(done, this.#userid); }
  end() { this._unanswered(); }
}

export class Member {
  #hub;
  #ended = false;
  #open = false;
  #state = "";
  /** Whether the application is told of this way to the user; else it has a connection of its own. */
  active = false;
  byHub = true;

  constructor(hub, user) {
    const { host } = hub;
    this.#hub = hub;
    this.userid = user.userid;
    this.talk = new ByHub(hub, user.userid);
    const member = this;
    this.heard = new HeardStreams({
      userid: user.userid, room: host.room, byHub: true,
      get incoming() { return host.incoming; },
      get left() { return member.#ended; },
      get connection() { return hub.peer.connection; },
      say: (body) => host.say(hub.user.userid, body),
      emit: (name, fields) => member.active && member.#emit(name, fields),
    });
  }

  get user() { return this.#hub.host.user(this.userid) ?? { userid: this.userid }; }
  get room() { return this.#hub.host.room; }
  get connection() { return this.#hub.peer.connection; }
  get streams() { return this.heard.all; }
  get latency() { return this.#hub.peer.latency; }
  get state() {
    const { state } = this.#hub.peer;
    return state !== "connected" || this.#hub.lists(this.userid) ? state : "searching";
  }

  #emit(name, fields) { this.#hub.host.emit(name, { userid: this.userid, extra: this.user.extra, ...fields }); }

  said(data, latency) { if (this.#hub.host.incoming.data !== false) this.#emit("message", { data, latency }); }

  /** From now on it is the way to this user; `known`: it was reached by another until now. */
  activate(known = false) {
    if (this.active) return;
    this.active = true;
    this.#open = known && this.talk.open;
    this.#state = known ? this.state : "";
    for (const stream of this.streams) this.#emit("stream", { stream, streamid: stream.id, origin: "remote", session: stream.session });
    if (known && this.#open) this.#hub.host.opened(this);
    this.follow();
  }

  /** Tells what is another now. */
  follow() {
    if (!this.active) return;
    const { state } = this;
    const { open } = this.talk;
    if (state !== this.#state) {
      this.#state = state;
      this.#emit("peerState", { state, reason: null });
    }
    if (open === this.#open) return;
    this.#open = open;
    this.#emit(open ? "open" : "close");
    if (open) this.#hub.host.opened(this);
  }

  /** Another is the way from now on, which goes on with its streams. */
  rest() { this.active = false; }

  createDataChannel(label, init) { return this.connection.createDataChannel(`${label}/${this.userid}`, init); }

  /** `lost`: only this way to the user has gone; answers may come by another. */
  end(lost = false) {
    this.#ended = true;
    this.heard.unshowAll("left");
    if (!lost) this.talk.end();
    if (this.active && this.#open) this.#emit("close");
    this.active = false;
  }
}
