// The hub of a room: one connection to the server, by which all others are reached.
import { Member } from "./member.js";
import { Peer } from "./peer.js";

/** The streams that a hub tells of, each of whom it is. */
class HubStreams {
  #hub;
  #told = new Map(); // id at the hub → whose it is
  #shown = new Map(); // id at the hub → stream that came and nobody told of yet

  constructor(hub) { this.#hub = hub; }

  /** They are of the members. */
  get all() { return []; }
  apply() { for (const member of this.#hub.members) member.heard.apply(); }

  hearStreams(streams) {
    const before = new Set(this.#told.values());
    const told = new Map(); // user id → what is told of its streams
    this.#told.clear();
    for (const one of Array.isArray(streams) ? streams : []) {
      if (typeof one?.of !== "string") continue;
      this.#told.set(String(one.id), one.of);
      told.set(one.of, [...(told.get(one.of) ?? []), one]);
    }
    for (const userid of new Set([...before, ...told.keys()])) this.#hub.member(userid)?.heard.hearStreams(told.get(userid) ?? []);
    for (const stream of [...this.#shown.values()]) this.show(stream);
  }

  hearMute(mute) { this.#of(mute.stream)?.heard.hearMute(mute); }

  show(stream) {
    const member = this.#of(stream.id);
    if (member) {
      this.#shown.delete(stream.id);
      member.heard.show(stream);
    } else this.#shown.set(stream.id, stream);
  }

  unshow(id, reason) {
    this.#shown.delete(id);
    for (const member of this.#hub.members) member.heard.unshow(id, reason);
  }

  unshowAll(reason) {
    this.#shown.clear();
    for (const member of this.#hub.members) member.heard.unshowAll(reason);
  }

  #of(id) { return this.#hub.member(this.#told.get(String(id))); }
}

export class Hub {
  #host;
  #members = new Map();
  #listed = new Set();
  #records = false; // the server records the room
  #speaks = false; // somebody does

  /** `host` is as a peer's, with `user(userid)`, `act(name, body, member, latency)` and `changed()` beside it. */
  constructor(host, user) {
    this.#host = host;
    this.user = user;
    const hub = this;
    this.peer = new Peer({
      me: host.me, room: host.room, trail: host.trail, secret: null, passes: true,
      get online() { return host.online; },
      get incoming() { return host.incoming; },
      say: (to, body) => host.say(to, body),
      configuration: () => host.configuration(),
      streams: () => host.streams(),
      hears: () => true,
      limit: (track, local) => host.limit(track, local, true),
      channel: (channel) => this.#channel(channel),
      opened: () => this.#changed(),
      dropped: () => this.members.filter(({ active }) => active).forEach((member) => host.dropped(member)),
      emit: (name, fields) => this.#emit(name, fields),
      heard: () => new HubStreams(hub),
      message: (data, latency, from) => this.#member(from)?.said(data, latency),
      act: (name, body, latency, from) => this.#act(name, body, latency, from),
    }, user);
  }

  get members() { return [...this.#members.values()]; }
  get host() { return this.#host; }

  /** Who is reached by it, or is to be. */
  member(userid) {
    const user = this.#host.user(userid);
    if (!user) return null;
    if (!this.#members.has(userid)) this.#members.set(userid, new Member(this, user));
    return this.#members.get(userid);
  }

  #member(userid) { return typeof userid === "string" ? this.member(userid) : null; }

  lists(userid) { return this.#listed.has(userid); }

  /** False where the body is none for it. */
  hear(body) {
    if (!Array.isArray(body?.peers)) return this.peer.hear(body);
    this.#listed = new Set(body.peers.map(String));
    this.#changed();
    return true;
  }

  #changed() {
    for (const member of this.members) member.follow();
    this.#host.changed();
  }

  #emit(name, fields) {
    if (name === "error") this.#host.emit("error", { userid: this.user.userid, ...fields });
    if (name === "peerState" || name === "close") this.#changed();
  }

  #act(name, body, latency, from) {
    if (from !== undefined) {
      const member = this.#member(from);
      return member ? this.#host.act(name, body, member, latency) : undefined;
    }
    if (name === "x.recording") {
      const on = body?.on === true;
      if (on !== this.#records) this.#recorded(on, latency);
    }
    if (name === "hub.speakers" && Array.isArray(body?.order)) this.#rank(body.order, body.speaking);
    return undefined;
  }

  /** Who spoke last, that one first, and who of them speaks now. */
  #rank(order, speaking) {
    const now = Array.isArray(speaking) ? speaking.map(String) : [];
    this.#speaks = now.length > 0;
    this.#host.emit("speakers", { order: order.map(String), speaking: now });
  }

  /** As an action of a user that is no person: `name` is what people read. */
  #recorded(on, latency = null) {
    this.#records = on;
    const { userid } = this.user;
    this.#host.act("x.recording", { on }, { userid, user: { userid, extra: { name: "the server" } } }, latency);
  }

  /** A channel that another opened by the hub: its label says who, also of one who has gone and whose files the hub has kept. */
  #channel(channel) {
    const { me, room } = this.#host;
    const userid = /^rooms\.file\/(.+)$/.exec(channel.label)?.[1];
    if (userid === undefined || userid === me) channel.close();
    else this.#host.channel(channel, this.member(userid) ?? { userid, room, user: { userid } });
  }

  gone(userid) {
    this.#members.get(userid)?.end();
    this.#members.delete(userid);
    this.#listed.delete(userid);
  }

  /** `lost`: those whom it reached are there still. */
  end(lost = false) {
    if (this.#records) this.#recorded(false);
    if (this.#speaks) this.#rank([], []);
    this.peer.end();
    for (const member of this.members) member.end(lost);
    this.#members.clear();
    this.#listed.clear();
  }
}
