// A room that this side is in: who else is there, and a connection to each who is sent to or heard.
import { fail } from "./errors.js";
import { directionOf, sends } from "./kind.js";
import { Peer } from "./peer.js";

export class Room {
  #host;
  #peers = new Map();
  #warned = false;
  /** Those whom a server that lost the room has not seen again, and until when they are held to be in it. */
  #missing = new Map();

  /** `host` is the session's side: see `#roomHost` there. */
  constructor(host, state, secret = null) {
    this.#host = host;
    this.secret = secret;
    this.name = state.room;
    this.users = new Map();
    this.#take(state);
  }

  get me() { return this.#host.me; }
  get owned() { return this.owner === this.me; }
  /** Whether this user may eject, close and set the rules. */
  get governed() { return this.owned || this.users.get(this.me)?.role === "admin"; }
  get peers() { return [...this.#peers.values()]; }
  get others() { return [...this.users.values()].filter(({ userid }) => userid !== this.me); }
  get places() { return this.policy.maxParticipantsAllowed + 1; }
  peer(userid) { return this.#peers.get(userid) ?? null; }

  #take({ epoch, users, owner, session, policy, presenter }) {
    this.users = new Map(users.map((user) => [user.userid, user]));
    Object.assign(this, { epoch, owner, session, policy, presenter: presenter ?? null });
    this.direction = directionOf(session);
  }

  begin() { this.#reconcile(); }

  /** The state as it is now, after this side did not hear everything. */
  update(state) {
    const before = this.users;
    const { owner, presenter, epoch } = this;
    // Another life of the room: nobody there knows the connections of before.
    if (epoch !== state.epoch) this.#endAll();
    this.#take(state);
    // A server that was started again knows what somebody tells of itself when that one is back.
    for (const [userid, user] of this.users) user.extra ??= before.get(userid)?.extra;
    this.#missing.clear();
    for (const [userid, user] of before) {
      if (this.users.has(userid)) continue;
      // It has forgotten them: they may be on their way back, and their media never stopped.
      if (epoch === state.epoch && state.returning) this.#wait(userid, user);
      else this.#gone(user, "lost");
    }
    for (const [userid, user] of this.users) if (!before.has(userid)) this.#emit("joined", { userid, user, extra: user.extra });
    if (owner !== this.owner) this.#emit("owner", { userid: this.owner });
    if (presenter !== this.presenter) this.#emit("presenter", { userid: this.presenter });
    this.#reconcile();
  }

  hear(message) {
    const { joined, left, owner, policy, presenter, said } = message;
    if (joined) {
      const { user } = joined;
      const missed = this.#missing.delete(user.userid);
      this.users.set(user.userid, user);
      if (missed) return;
      this.#reconcile();
      this.#emit("joined", { userid: user.userid, user, extra: user.extra });
    } else if (left) {
      const user = this.users.get(left.userid);
      this.#missing.delete(left.userid);
      this.users.delete(left.userid);
      if (user) this.#gone(user, left.reason);
    } else if (owner) {
      this.owner = owner.userid;
      this.#reconcile();
      this.#emit("owner", { userid: owner.userid });
    } else if (policy) {
      this.policy = policy.policy;
      this.#emit("policy", { policy: policy.policy });
    } else if (presenter) {
      this.presenter = presenter.userid ?? null;
      this.#emit("presenter", { userid: this.presenter });
    } else if (said) this.#said(said);
  }

  #wait(userid, user) {
    this.users.set(userid, user);
    this.#missing.set(userid, user);
    setTimeout(() => {
      if (this.#missing.get(userid) !== user) return;
      this.#missing.delete(userid);
      this.users.delete(userid);
      this.#gone(user, "lost");
    }, this.#host.graceMs);
  }

  setExtra(userid, extra) {
    const user = this.users.get(userid);
    if (user) user.extra = extra;
    return Boolean(user);
  }

  #said({ from, direct, body }) {
    if (this.#peers.get(from)?.hear(body)) return;
    const user = this.users.get(from);
    if (user) this.#emit("said", { userid: from, extra: user.extra, direct: Boolean(direct), body });
  }

  #gone(user, reason) {
    this.#peers.get(user.userid)?.end();
    this.#peers.delete(user.userid);
    this.#host.crowd();
    this.#emit("left", { userid: user.userid, user, extra: user.extra, reason });
  }

  /** Whether media go from one to the other. */
  #sends(from, to) {
    return from.role !== "inspector" && sends(this.direction, from.userid === this.owner, to.userid === this.owner);
  }

  #reconcile() {
    const me = this.users.get(this.me);
    if (!me) return;
    if (this.policy.secret && !this.secret) return this.#wantSecret();
    for (const user of this.others) {
      const wanted = this.#sends(me, user) || this.#sends(user, me);
      const peer = this.#peers.get(user.userid);
      if (wanted && !peer) this.#meet(user);
      else if (!wanted && peer) {
        peer.end(true);
        this.#peers.delete(user.userid);
      } else peer?.sync();
    }
    this.#host.crowd();
  }

  #wantSecret() {
    if (this.#warned) return;
    this.#warned = true;
    this.#emit("error", { error: fail("noSecret", "the members of this room prove a secret to each other, and none is given: nobody is connected to") });
  }

  #meet(user) {
    const host = this.#host;
    const peer = new Peer({
      me: this.me,
      room: this.name,
      get online() { return host.online; },
      get incoming() { return host.incoming; },
      say: (to, body) => host.say(this.name, to, body),
      secret: this.secret,
      configuration: () => host.configuration(),
      streams: (userid) => this.#streamsFor(userid),
      hears: (userid) => this.#hears(userid),
      limit: (track, local) => host.limit(track, local),
      channel: (channel, from) => host.channel(channel, from),
      opened: (to) => host.opened(to),
      dropped: (from) => host.dropped(from),
      emit: (name, fields) => this.#emit(name, fields),
      act: (name, body, from, latency) => host.act(this.name, name, body, from, latency),
    }, user);
    this.#peers.set(user.userid, peer);
    peer.begin();
  }

  #hears(userid) {
    const [me, user] = [this.users.get(this.me), this.users.get(userid)];
    return Boolean(me && user && this.#sends(user, me));
  }

  #streamsFor(userid) {
    const [me, user] = [this.users.get(this.me), this.users.get(userid)];
    if (!me || !user || !this.#sends(me, user)) return [];
    return this.#host.streams().filter(({ to }) => to === null || to === userid);
  }

  #emit(name, fields) { this.#host.emit(name, { room: this.name, ...fields }); }

  #endAll() {
    for (const peer of this.#peers.values()) peer.end();
    this.#peers.clear();
  }

  end() { this.#endAll(); }
}
