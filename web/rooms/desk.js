// What a server does with what its clients say, without one: a page keeps it for the tabs of its browser.
import { fail } from "./errors.js";
import { RoomRecord } from "./record.js";

const RING = 60_000; // ms until a call that nobody answers ends
const LIMITS = { messageBytes: 65536, messagesPerSecond: 50, rooms: 16, graceMs: 0 };

export class Desk {
  #users = new Map(); // id → { user, watch }
  #rooms = new Map();
  #calls = new Map(); // `${caller} ${call}` → { caller, callee, timer, accepted }
  #say;
  #changed;

  /** `say(userid, message)` brings a message to a user; `changed(records)` is told of the rooms. */
  constructor(say, changed = () => {}) {
    this.#say = say;
    this.#changed = changed;
  }

  get users() { return [...this.#users.keys()]; }
  get rooms() { return [...this.#rooms.values()]; }

  /** Rooms that another desk kept. */
  restore(records) {
    for (const record of records) this.#rooms.set(record.room, new RoomRecord(record));
  }

  /** Who is in a room by what was kept, and who comes back: it is told of its rooms anew. */
  return(user) {
    this.#users.set(user.userid, { user, watch: null });
    this.#say(user.userid, { welcome: this.#welcome(user, true) });
    for (const room of this.#rooms.values()) if (room.member(user.userid)) this.#say(user.userid, room.state());
  }

  arrive(user) {
    this.#users.set(user.userid, { user, watch: null });
    this.#say(user.userid, { welcome: this.#welcome(user, false) });
  }

  #welcome({ userid, role }, resumed) {
    return { version: 1, userid, role, resume: userid, resumed, seen: 0, iceServers: [], limits: LIMITS };
  }

  /** Somebody goes: `reason` is "left" or "lost". */
  gone(userid, reason) {
    for (const room of this.#rooms.values()) if (room.member(userid)) this.#note(room, room.leave(userid, reason));
    for (const [key, call] of this.#calls) {
      if (call.caller === userid || call.callee === userid) this.#endCall(key, call, "gone", userid);
    }
    this.#users.delete(userid);
  }

  /** One message of a user; `about` is its number. */
  said(userid, message, about) {
    try {
      const [[name, content]] = Object.entries(message);
      const does = VERBS[name];
      if (!does) throw fail("badMessage", `there is no message ${name}`);
      does(this.#inside, this.#users.get(userid).user, content, about);
    } catch (error) {
      const { code = "badMessage", message: words } = error;
      const room = Object.values(message)[0]?.room;
      this.#say(userid, { error: { code, message: words, about, ...(room && { room }) } });
    }
  }

  // What the verbs use.
  #inside = {
    enter: (way, user, content, about) => this.#enter(way, user, content, about),
    change: (name, change) => {
      const room = this.#room(name);
      this.#note(room, change(room));
    },
    room: (name) => this.#room(name),
    each: (userid, change) => {
      for (const room of this.#rooms.values()) if (room.member(userid)) this.#note(room, change(room));
    },
    say: (userid, said) => this.#say(userid, said),
    watch: (userid, channel) => this.#watch(userid, channel),
    call: (...call) => this.#call(...call),
    answer: (...answer) => this.#answer(...answer),
    bye: (userid) => this.gone(userid, "left"),
  };

  #room(name) {
    const room = this.#rooms.get(name);
    if (!room) throw fail("noSuchRoom", `there is no room ${name}`);
    return room;
  }

  #enter(way, user, { room: name, password, session, policy }, about) {
    const found = this.#rooms.get(name);
    if (way === "open" && found) throw fail("roomExists", `there is a room ${name} already`);
    if (way === "join" && !found) throw fail("noSuchRoom", `there is no room ${name}`);
    if (found) return this.#note(found, found.join(user, password, about));
    const room = RoomRecord.open(name, { session, policy, password }, user, Date.now());
    this.#rooms.set(name, room);
    this.#note(room, [[user.userid, room.state(about)]]);
  }

  #note(room, notices) {
    if (room.ended) this.#rooms.delete(room.room);
    for (const [to, message] of notices) {
      if (typeof to === "string") this.#say(to, message);
      else for (const { userid } of room.members) if (userid !== to.but) this.#say(userid, message);
    }
    const info = room.ended ? null : room.info();
    const rooms = info ? { rooms: [info] } : { rooms: [], gone: [room.room] };
    for (const [userid, { watch }] of this.#users) if (inChannel(room.room, watch)) this.#say(userid, { rooms });
    this.#changed(this.rooms);
  }

  #watch(userid, watch) {
    this.#users.get(userid).watch = watch;
    if (watch === null) return;
    const rooms = this.rooms.filter(({ room }) => inChannel(room, watch)).map((room) => room.info()).filter(Boolean);
    this.#say(userid, { rooms: { all: true, rooms } });
  }

  #call(user, { call, to, session = {} }) {
    if (!this.#users.has(to) || to === user.userid) throw fail("noSuchUser", `${to} is not there`);
    const tell = (status) => this.#say(user.userid, { callStatus: { call, with: to, status } });
    const busy = [...this.#calls.values()].some(({ caller, callee }) => [caller, callee].includes(to));
    if (busy) return tell("busy");
    const key = `${user.userid} ${call}`;
    const entry = { call, caller: user.userid, callee: to };
    entry.timer = setTimeout(() => this.#endCall(key, entry, "timeout"), RING);
    this.#calls.set(key, entry);
    this.#say(to, { call: { call, from: user, session } });
    tell("ringing");
  }

  #answer(user, { call, to, answer }) {
    const mine = answer === "cancel";
    const key = `${mine ? user.userid : to} ${call}`;
    // Once it was accepted each of the two may end it.
    const found = this.#calls.has(key) || !mine ? key : `${to} ${call}`;
    const entry = this.#calls.get(found);
    if (!entry || ![entry.caller, entry.callee].includes(to)) throw fail("noSuchCall", "this call has ended");
    if (answer !== "accept") return this.#endCall(found, entry, { reject: "rejected", busy: "busy", cancel: "cancelled" }[answer], user.userid);
    clearTimeout(entry.timer);
    return this.#say(to, { callStatus: { call, with: user.userid, status: "accepted" } });
  }

  #endCall(key, { call, caller, callee, timer }, status, but) {
    clearTimeout(timer);
    this.#calls.delete(key);
    for (const [one, other] of [[caller, callee], [callee, caller]]) {
      if (one !== but) this.#say(one, { callStatus: { call, with: other, status } });
    }
  }
}

/** `watch` is null, "" for all rooms, or a channel. */
const inChannel = (room, watch) => watch !== null && (watch === "" || room.slice(0, Math.max(0, room.lastIndexOf("/"))) === watch);

const VERBS = {
  rooms: ({ watch }, { userid }, content) => watch(userid, content.watch ? content.channel ?? "" : null),
  open: ({ enter }, user, content, about) => enter("open", user, content, about),
  join: ({ enter }, user, content, about) => enter("join", user, content, about),
  openOrJoin: ({ enter }, user, content, about) => enter("openOrJoin", user, content, about),
  leave: ({ change }, { userid }, { room }) => change(room, (one) => one.leave(userid, "left")),
  close: ({ change }, { userid }, { room }) => change(room, (one) => one.close(userid)),
  eject: ({ change }, user, { room, userid, ban }) => change(room, (one) => one.eject(user.userid, userid, ban)),
  owner: ({ change }, user, { room, userid }) => change(room, (one) => one.handOver(user.userid, userid)),
  policy: ({ change }, { userid }, { room, policy }) => change(room, (one) => one.setPolicy(userid, policy)),
  present: ({ change }, { userid }, { room, on }) => change(room, (one) => one.present(userid, on)),
  extra: ({ each }, user, { extra }) => {
    user.extra = extra;
    each(user.userid, (room) => room.setExtra(user.userid, extra));
  },
  say: ({ room, say }, { userid }, { room: name, to, body }) => {
    const there = room(name);
    if (!there.member(userid)) throw fail("notInRoom", "you are not in this room; join it first");
    if (to !== undefined && !there.member(to)) throw fail("noSuchUser", `${to} is not in this room`);
    const said = { said: { room: name, from: userid, ...(to !== undefined && { direct: true }), body } };
    for (const one of there.members) if (one.userid !== userid && (to ?? one.userid) === one.userid) say(one.userid, said);
  },
  call: ({ call }, user, content) => call(user, content),
  answer: ({ answer }, user, content) => answer(user, content),
  bye: ({ bye }, { userid }) => bye(userid),
};
