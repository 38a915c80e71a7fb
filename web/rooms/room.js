// A room that this side is in: who else is there, and a connection to each who is sent to or heard.
import { fail } from "./errors.js";
import { Hub } from "./hub.js";
import { directionOf, sends } from "./kind.js";
import { Mover } from "./mover.js";
import { Peer } from "./peer.js";
import { Trail } from "./trail.js";

const isHub = ({ role }) => role === "hub";

export class Room {
  #host;
  #peers = new Map();
  #warned = false;
  #hubs = new Map(); // user id → the server's member of the room that passes on what all send
  #hub = null;
  #quiet = new Set(); // peers that the application is not told of yet: all comes by the hub still
  #mover;
  #trail;
  /** Those whom a server that lost the room has not seen again, and until when they are held to be in it. */
  #missing = new Map();

  /** `host` is the session's side: see `#roomHost` there. */
  constructor(host, state, secret = null) {
    this.#host = host;
    this.secret = secret;
    this.name = state.room;
    this.users = new Map();
    const room = this;
    this.#mover = new Mover({
      get hub() { return room.#hub; },
      get leaving() { return !room.#counts; },
      direct: this.#peers,
      hush: ({ userid }) => this.#quiet.add(userid),
      wake: (peer) => this.#wake(peer),
      finish: (peer) => {
        this.#peers.delete(peer.userid);
        this.#quiet.delete(peer.userid);
        peer.replaced();
        this.#host.crowd();
      },
    });
    this.#trail = new Trail({
      knows: (userid) => this.users.has(userid),
      get others() { return room.others.map(({ userid }) => userid); },
      talk: (userid) => this.peer(userid)?.talk,
      failed: (userid, error) => this.#emit("error", { userid, error }),
    });
    this.#take(state);
  }

  get me() { return this.#host.me; }
  get owned() { return this.owner === this.me; }
  /** Whether this user may eject, close and set the rules. */
  get governed() { return this.owned || this.users.get(this.me)?.role === "admin"; }
  /** All who are connected to, each by the way that holds: a connection of its own, or the hub. */
  get peers() { return [...this.#peers.values()].filter(({ userid }) => !this.#quiet.has(userid)).concat(this.#hub?.members.filter(({ active }) => active) ?? []); }
  /** The connections. */
  get links() { return [...this.#peers.values(), ...(this.#hub ? [this.#hub.peer] : [])]; }
  get others() { return [...this.users.values()].filter(({ userid }) => userid !== this.me); }
  get places() { return this.policy.maxParticipantsAllowed + 1; }
  peer(userid) { return this.peers.find((peer) => peer.userid === userid) ?? null; }
  /** Whom one word reaches all by: the hub, where nobody has another way. */
  get speech() { return this.#hub?.peer.talk.open && !this.#peers.size ? this.#hub.peer.talk : null; }

  #take({ epoch, users, owner, session, policy, presenter }) {
    const [hubs, persons] = [users.filter(isHub), users.filter((user) => !isHub(user))];
    this.#hubs = new Map(hubs.map((user) => [user.userid, user]));
    this.users = new Map(persons.map((user) => [user.userid, user]));
    Object.assign(this, { epoch, owner, session, policy, presenter: presenter ?? null });
    this.direction = directionOf(session);
  }

  begin() { this.#reconcile(); }

  /** The state as it is now, after this side did not hear everything. */
  update(state) {
    const before = this.users;
    const { owner, presenter, epoch } = this;
    // Another life of the room: nobody there knows the connections of before.
    if (epoch !== state.epoch) this.#endAll(true);
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
    for (const peer of this.links) peer.hurry();
  }

  hear(message) {
    const { joined, left, owner, policy, presenter, said } = message;
    if (joined) {
      const { user } = joined;
      if (isHub(user)) {
        this.#hubs.set(user.userid, user);
        return this.#reconcile();
      }
      const missed = this.#missing.delete(user.userid);
      this.users.set(user.userid, user);
      if (missed) return void this.#peers.get(user.userid)?.returned();
      this.#reconcile();
      this.#emit("joined", { userid: user.userid, user, extra: user.extra });
    } else if (left && this.#hubs.delete(left.userid)) this.#reconcile();
    else if (left) {
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
    return undefined;
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
    const hub = this.#hubs.get(userid);
    if (hub) {
      hub.extra = extra;
      for (const userid of this.#mover.reset()) this.#wake(this.#peers.get(userid));
      for (const peer of this.#peers.values()) peer.goOn();
      this.#reconcile();
    }
    const user = this.users.get(userid);
    if (user) user.extra = extra;
    return Boolean(user);
  }

  #said({ from, direct, body }) {
    if (this.#hub?.user.userid === from) return void this.#hub.hear(body);
    if (this.#peers.get(from)?.hear(body)) return;
    const user = this.users.get(from);
    if (user) this.#emit("said", { userid: from, extra: user.extra, direct: Boolean(direct), body });
  }

  #gone(user, reason) {
    this.#end(user.userid);
    this.#hub?.gone(user.userid);
    this.#trail.forget(user.userid);
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
    this.#tendHub();
    for (const user of this.others) {
      const wanted = this.#sends(me, user) || this.#sends(user, me);
      const peer = this.#peers.get(user.userid);
      const member = wanted ? this.#hub?.member(user.userid) : null;
      if (!wanted) {
        this.#end(user.userid, true);
        this.#hub?.gone(user.userid);
      } else if (peer) peer.sync();
      else if (this.#counts) member.activate();
      else this.#meet(user, Boolean(member?.active));
    }
    this.#mover.run();
    this.#host.crowd();
  }

  /** The hub that all go by, but for one that is about to leave. With a secret nobody goes by one. */
  get #counts() { return this.#hub !== null && this.#hubs.get(this.#hub.user.userid)?.extra?.leaving !== true; }

  #tendHub() {
    const usable = this.secret || this.policy.secret ? [] : [...this.#hubs.values()];
    const user = usable.find(({ extra }) => extra?.leaving !== true) ?? usable.find(({ userid }) => userid === this.#hub?.user.userid);
    const before = this.#hub && this.#hub.user.userid !== user?.userid ? this.#hub : null;
    if (user && this.#hub && !before) return void this.#hub.peer.sync();
    if (before) {
      this.#trail.lost(before.members);
      this.#mover.reset();
    }
    this.#hub = user ? new Hub(this.#hubHost, user) : null;
    for (const peer of [...this.#peers.values()]) {
      // A connection that was about to be given up is made anew.
      if (peer.heardBye && before) this.#end(peer.userid);
      else if (!user) this.#trail.sayAgain(peer.userid, peer.talk);
    }
    if (user) for (const userid of this.#trail.owed) this.#trail.sayAgain(userid, this.#hub.member(userid)?.talk);
    before?.end(true);
    if (before) for (const peer of this.#peers.values()) this.#wake(peer);
    this.#hub?.peer.begin();
  }

  #hubChanged() {
    const { members = [], user } = this.#hub ?? {};
    for (const { userid, talk } of members) if (talk.open) this.#trail.reach(userid, user.userid);
    this.#mover.run();
  }

  get #hubHost() {
    const [room, host] = [this, this.#host];
    return {
      me: this.me, room: this.name, trail: this.#trail,
      get online() { return host.online; },
      get incoming() { return host.incoming; },
      say: (to, body) => host.say(this.name, to, body),
      configuration: () => host.configuration(),
      streams: () => host.streams().filter(({ to }) => this.#sendsTo(to)),
      limit: (track, local, passes) => host.limit(track, local, passes),
      channel: (channel, from) => host.channel(channel, from),
      opened: (to) => host.opened(to),
      dropped: (from) => host.dropped(from),
      emit: (name, fields) => this.#emit(name, fields),
      act: (name, body, from, latency) => host.act(this.name, name, body, from, latency),
      user: (userid) => (userid === room.me ? null : room.users.get(userid) ?? null),
      changed: () => this.#hubChanged(),
    };
  }

  /** Whether this user may send to one, or to anybody. */
  #sendsTo(userid) {
    const me = this.users.get(this.me);
    const others = userid === null ? this.others : this.others.filter((user) => user.userid === userid);
    return Boolean(me) && others.some((user) => this.#sends(me, user));
  }

  /** The application is told of a connection that was kept quiet while all came by the hub. */
  #wake(peer) {
    if (!this.#quiet.delete(peer.userid)) return;
    for (const stream of peer.streams) this.#emit("stream", { userid: peer.userid, extra: peer.user.extra, stream, streamid: stream.id, origin: "remote", session: stream.session });
    this.#host.opened(peer);
  }

  #end(userid, told = false) {
    this.#mover.forget(userid);
    this.#peers.get(userid)?.end(told);
    this.#peers.delete(userid);
    this.#quiet.delete(userid);
  }

  #wantSecret() {
    if (this.#warned) return;
    this.#warned = true;
    this.#emit("error", { error: fail("noSecret", "the members of this room prove a secret to each other, and none is given: nobody is connected to") });
  }

  /** `quiet`: what comes by it is not told yet, but for messages. */
  #meet(user, quiet = false) {
    const host = this.#host;
    if (quiet) this.#quiet.add(user.userid);
    const heard = (name) => !this.#quiet.has(user.userid) || name === "message" || name === "impostor";
    const peer = new Peer({
      me: this.me,
      room: this.name,
      trail: this.#trail,
      get online() { return host.online; },
      get incoming() { return host.incoming; },
      say: (to, body) => host.say(this.name, to, body),
      secret: this.secret,
      configuration: () => host.configuration(),
      streams: (userid) => this.#streamsFor(userid),
      hears: (userid) => this.#hears(userid),
      limit: (track, local) => host.limit(track, local),
      channel: (channel, from) => host.channel(channel, from),
      opened: (to) => heard("open") && host.opened(to),
      dropped: (from) => heard("close") && host.dropped(from),
      emit: (name, fields) => heard(name) && this.#emit(name, fields),
      act: (name, body, from, latency) => host.act(this.name, name, body, from, latency),
      halves: () => this.#hub !== null,
    }, user);
    this.#peers.set(user.userid, peer);
    if (!this.#hub) this.#trail.sayAgain(user.userid, peer.talk);
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

  #endAll(lost = false) {
    if (lost && this.#hub) this.#trail.lost(this.#hub.members);
    this.#mover.reset();
    for (const userid of [...this.#peers.keys()]) this.#end(userid);
    this.#hub?.end(lost);
    this.#hub = null;
  }

  end() {
    this.#endAll();
    this.#trail.end();
  }
}
