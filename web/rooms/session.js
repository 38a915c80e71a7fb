// The session: one way to a server, the rooms that this side is in, and what it sends to whom.
import { Asked } from "./asked.js";
import { Calls } from "./calls.js";
import { Conversation } from "./conversation.js";
import { fail } from "./errors.js";
import { directionOf } from "./kind.js";
import { configurationOf, Limits } from "./limits.js";
import { Paths } from "./paths.js";
import { Room } from "./room.js";
import { EVENTS } from "./session_events.js";
import { Streams } from "./streams.js";
import { WebSocketSignaller } from "./websocket.js";

export class Session extends Conversation {
  #signaller;
  #options;
  #limits;
  #rooms = new Map();
  #entries = new Map(); // room → how it was entered
  #asked = new Asked();
  #welcome = null;
  #online = false;
  #ended = null;

  /** Connects to the server at this address. */
  static connect(url, options = {}) {
    const { extra, userid, token, role, resume } = options;
    return Session.with(new WebSocketSignaller(url, JSON.parse(JSON.stringify({ extra, userid, token, role, resume }))), options);
  }

  /** The same over a signaller: see websocket.js for what one is. */
  static with(signaller, options = {}) {
    const session = new Session(signaller, options);
    return new Promise((resolve, reject) => {
      signaller.listen((event) => {
        session.#heard(event);
        if (session.#welcome) resolve(session);
        if (event.ended) reject(event.ended);
      });
    });
  }

  constructor(signaller, options) {
    super(EVENTS, () => this.#options.incoming?.data !== false);
    this.#signaller = signaller;
    this.#options = { ...options };
    this.#limits = new Limits(options.bandwidth, options.simulcast);
    this.extra = options.extra;
    const send = (message) => this.#send(message);
    const emit = (name, fields) => this._emit(name, fields);
    /** Rooms that are there, by name, while they are watched. */
    this.lobby = new Map();
    this.streams = new Streams({
      changed: () => this.#everyPeer((peer) => peer.sync()),
      muted: (local, kinds, on) => {
        this.#everyPeer((peer) => [null, peer.userid].includes(peer.passes ? null : local.to) && peer.tellMute(local, kinds, on));
        emit(on ? "mute" : "unmute", { stream: local, kinds, by: "sender", userid: this.userid });
      },
      remote: () => [...this.#rooms.values()].flatMap(({ peers }) => peers.flatMap((peer) => peer.streams)),
    });
    this.paths = new Paths(() => this.peers, (fields) => emit("path", fields));
    this.calls = new Calls({ send, emit, me: () => this.userid, enter: (room, options) => this.openOrJoin(room, options) });
  }

  get userid() { return this.#welcome?.userid; }
  get role() { return this.#welcome?.role; }
  get limits() { return this.#welcome?.limits ?? {}; }
  /** What a later session comes back with, as `options.resume`. */
  get resume() { return this.#options.resume; }
  /** Whether the server hears at once. */
  get online() { return this.#online; }
  get rooms() { return [...this.#rooms.values()]; }
  get peers() { return this.rooms.flatMap(({ peers }) => peers); }

  /** A room by its name; without one, the only one. */
  room(name) {
    if (name !== undefined) return this.#rooms.get(typeof name === "string" ? name : name.name ?? name.sessionid) ?? null;
    if (this.#rooms.size > 1) throw fail("badRoom", "this session is in several rooms: name one");
    return this.rooms[0] ?? null;
  }

  _in(name) {
    const room = this.room(name);
    if (!room) throw fail("notInRoom", "this session is in no such room");
    return room;
  }

  peer(userid, room) { return this._in(room).peer(userid); }

  // -- Rooms

  /** Each resolves with the room; `options` are `password`, and for who opens it `session` and `policy`. */
  open(room, options) { return this.#enter("open", room, options); }
  join(room, options) { return this.#enter("join", room, options); }
  openOrJoin(room, options) { return this.#enter("openOrJoin", room, options); }

  async #enter(way, wanted, { password, session = { audio: true, video: true, data: true, screen: true }, policy, secret } = {}) {
    const room = typeof wanted === "string" ? wanted : wanted.sessionid;
    directionOf(session);
    const rules = (policy || secret) && { policy: { ...policy, ...(secret && { secret: true }) } };
    const entry = { room, ...(password && { password }), session, ...rules };
    const before = this.#entries.get(room);
    this.#entries.set(room, { password, session, policy, secret });
    try {
      return await this.#ask({ [way]: entry }, room);
    } catch (error) {
      if (before) this.#entries.set(room, before);
      else this.#entries.delete(room);
      throw error;
    }
  }

  async leave(name) {
    const room = this._in(name);
    await this.#ask({ leave: { room: room.name } }, room.name);
  }

  /** Into a room that this session was in, in the same way. */
  rejoin(name) { return this.openOrJoin(name, this.#entries.get(name)); }

  async close(name) {
    const room = this._in(name);
    await this.#ask({ close: { room: room.name } }, room.name);
  }

  eject(userid, { ban = false, room } = {}) { this.#send({ eject: { room: this._in(room).name, userid, ban } }); }
  handOver(userid, room) { this.#send({ owner: { room: this._in(room).name, userid } }); }
  setPolicy(policy, room) {
    const { name, policy: now } = this._in(room);
    this.#send({ policy: { room: name, policy: { ...now, ...policy } } });
  }

  present(on, room) { this.#send({ present: { room: this._in(room).name, on } }); }

  setExtra(extra) {
    this.extra = extra;
    this.#signaller.extra = extra;
    for (const room of this.rooms) room.setExtra(this.userid, extra);
    this.#send({ extra: { extra } });
  }

  /** Keeps `lobby`, with the event `rooms` at each change. */
  watchRooms(channel) { this.#send({ rooms: { watch: true, ...(channel !== undefined && { channel }) } }); }
  unwatchRooms() {
    this.lobby.clear();
    this.#send({ rooms: { watch: false } });
  }

  call(userid, session = { audio: true, video: true, data: true, direction: "one-to-one" }) { return this.calls.ask(userid, session); }

  // -- Media and words

  /** To all, and to who comes later; `{ to }` names one user, `{ session: { screen: true } }` says what it is. */
  addStream(stream, options) {
    const local = this.streams.add(stream, options);
    this._emit("stream", { stream: local, streamid: local.id, origin: "local", session: local.session, userid: this.userid, extra: this.extra });
    return local;
  }

  removeStream(which) {
    const local = this.streams.remove(which);
    if (local) this._emit("streamEnded", { stream: local, streamid: local.id, origin: "local", userid: this.userid, reason: "removed" });
  }

  /** What is taken from others: `{ audio, video, screen, data }`, where false is not. It is not sent either. */
  setIncoming(incoming) {
    this.#options.incoming = { ...this.#options.incoming, ...incoming };
    for (const peer of this.peers) for (const stream of peer.streams) stream.take(this.#options.incoming);
  }

  /** kbit/s for each kind; null is no limit. */
  setBandwidth(bandwidth) {
    Object.assign(this.#limits.bandwidth, bandwidth);
    this.#everyPeer((peer) => peer.limit());
  }

  /** Ends it: all rooms are left. */
  end() {
    if (this.#ended) return;
    this.#signaller.close();
    this.#finish(fail("ended", "the session has ended"));
  }

  // -- What comes

  #send(message) {
    if (this.#ended) throw this.#ended;
    this._emit("signal", { way: "out", message });
    return this.#signaller.send(message);
  }

  /** Resolves with the room that is entered, or with nothing when it is left. */
  #ask(message, room) { return this.#asked.add(this.#send(message), room, !("leave" in message || "close" in message)); }

  #heard({ message, lost, ended }) {
    if (ended) return this.#finish(ended);
    if (lost) {
      this.#online = false;
      return this._emit("lost", { reason: lost });
    }
    this._emit("signal", { way: "in", message });
    const [[name, content]] = Object.entries(message);
    if (Object.hasOwn(this.#hears, name)) this.#hears[name](content);
    else if (content?.room) this.#rooms.get(content.room)?.hear(message);
    return undefined;
  }

  #hears = {
    welcome: (welcome) => this.#welcomed(welcome),
    resume: ({ resume }) => { this.#options.resume = resume; },
    room: (state) => this.#entered(state),
    closed: ({ room, reason }) => this.#closed(room, reason),
    extra: ({ userid, extra }) => {
      for (const room of this.rooms) if (room.setExtra(userid, extra)) this._emit("extra", { room: room.name, userid, extra });
    },
    call: (call) => this.calls.came(call),
    callStatus: (status) => this.calls.status(status),
    rooms: ({ all, rooms, gone = [] }) => {
      if (all) this.lobby.clear();
      for (const info of rooms) this.lobby.set(info.sessionid, info);
      for (const name of gone) this.lobby.delete(name);
      this._emit("rooms", { rooms: [...this.lobby.values()] });
    },
    goodbye: ({ message }) => this._emit("goodbye", { message }),
    error: (error) => this.#refused(error),
  };

  #welcomed(welcome) {
    const again = this.#welcome !== null;
    this.#welcome = welcome;
    this.#options.resume = welcome.resume;
    this.#online = true;
    // Rooms of a life of this user that ended without a word.
    if (!again && welcome.resumed) for (const room of this.#options.leave ?? []) this.#send({ leave: { room } });
    if (!again) return;
    // The server knows nothing of before: this side comes as a new one, in the same rooms.
    if (!welcome.resumed) {
      const rooms = this.rooms.map(({ name }) => name);
      for (const room of this.rooms) room.end();
      this.#rooms.clear();
      this.#asked.fail(fail("lost", "the server forgot what was asked; ask again"));
      for (const name of rooms) this.rejoin(name).catch((error) => this._emit("closed", { room: name, reason: error.code ?? "lost", message: error.message }));
    }
    this._emit("resumed", { resumed: welcome.resumed });
  }

  #entered(state) {
    const known = this.#rooms.get(state.room);
    const room = known ?? new Room(this.#roomHost, state, this.#entries.get(state.room)?.secret ?? this.#options.secret ?? null);
    if (known) known.update(state);
    else {
      this.#rooms.set(state.room, room);
      this._emit("entered", { room: state.room });
    }
    this.#asked.entered(state.room, state.about, room);
    if (!known) room.begin();
  }

  #closed(name, reason) {
    const room = this.#rooms.get(name);
    this.#rooms.delete(name);
    room?.end();
    this.#asked.left(name);
    this.calls.left(name);
    if (room) this._emit("closed", { room: name, reason });
  }

  #refused({ code, message, about, room }) {
    const error = fail(code, message);
    if (!this.#asked.refused(about, error) && !this.calls.refused(about, error)) this._emit("error", { error, room });
  }

  #finish(error) {
    this.#ended = error;
    this.#online = false;
    this.paths.end();
    this.#limits.end();
    this.#asked.fail(error);
    for (const room of this.rooms) room.end();
    this.#rooms.clear();
    this._emit("ended", { error });
  }

  #everyPeer(work) { for (const room of this.rooms) for (const peer of room.links) work(peer); }

  // What a room needs of its session.
  get #roomHost() {
    const session = this;
    return {
      me: this.userid,
      get online() { return session.#online; },
      get incoming() { return session.#options.incoming ?? {}; },
      graceMs: this.limits.graceMs ?? 30_000,
      say: (room, to, body) => this.#ended || this.#send({ say: { room, to, body } }),
      configuration: () => configurationOf(this.#options, this.#welcome?.iceServers),
      streams: () => this.streams.own,
      channel: (channel, peer) => this.files.take(channel, peer),
      opened: (peer) => this.files.opened(peer),
      dropped: (peer) => this.files.dropped(peer),
      limit: (track, { session: what }, passes) => this.#limits.apply(track, what, passes),
      crowd: () => this.#limits.among(this.rooms.reduce((count, { links }) => count + links.length, 0), () => this.#everyPeer((peer) => peer.limit())),
      emit: (name, fields) => this._emit(name, fields),
      act: (room, name, body, peer, latency) => this._act(room, name, body, peer, latency),
    };
  }
}
