// One other user of a room, and the connection to it. Of two users the one with the lesser id calls.
import { RTCConnection } from "../ortc.js";
import { fail } from "./errors.js";
import { HeardStreams } from "./heard_streams.js";
import { before } from "./kind.js";
import { Proof } from "./proof.js";
import { Sending } from "./sending.js";
import { Talk } from "./talk.js";

const PATIENCE = 15_000; // ms until a connection that does not come about is made anew
const ASK = 20_000; // ms until the one who is called asks for a new connection
const MENDING = 8_000; // ms for a restart
const RESTARTS = 3; // before a new connection
const MOST = 10_000; // ms between tries
const KNOWN = ["instance", "streams", "mute", "pause", "again"];
const MEANWHILE = 3_000; // ms in which nobody can have tried a new connection in vain

export class Peer {
  #host;
  #connection = null;
  #instance = 0;
  #introduced = null;
  #streams;
  #sending;
  #tries = 0;
  #timer = 0;
  #ended = false;
  #silent = false;
  #proof = null; // where there is a secret
  #distrusted = false;
  #heard = Promise.resolve(); // what came is taken in its order
  heardBye = false; made = false; // the other side needs this connection no longer; it has worked

  /**
   * `host` has `me`, `room`, `online`, `say(to, body)`, `configuration()`, `secret`, `incoming`, `trail`,
   * `streams(userid)`, which are to be sent, `hears(userid)`, `channel(channel, peer)`, `opened(peer)`, `dropped(peer)`, `limit(track, stream)`, `emit(name, fields)` and `act(name, body, peer, latency)`; of a hub, which `passes` on
   * what others say, `heard()`, `message(data, latency, from)` and `act(name, body, latency, from)` instead.
   * `halves()`: whether a connection goes on after a `bye` until both have said it.
   */
  constructor(host, user) {
    this.#host = host;
    this.user = user;
    this.caller = before(host.me, user.userid);
    const peer = this;
    this.#streams = host.heard?.() ?? new HeardStreams({
      userid: user.userid,
      room: host.room,
      get incoming() { return host.incoming; },
      get left() { return peer.#ended; },
      get connection() { return peer.#connection; },
      say: (body) => host.say(user.userid, body),
      emit: (name, fields) => this.#emit(name, fields),
    });
    this.#sending = new Sending(host, {
      userid: user.userid,
      get connection() { return peer.#connection; },
      get introduced() { return peer.#introduced; },
      say: (connection, body) => this.#say(connection, body),
      failed: (error) => this.#failed(error),
    });
    this.talk = new Talk({
      message: (data, latency, from) => host.message ? host.message(data, latency, from) : host.incoming.data !== false && this.#emit("message", { data, latency }),
      action: (name, body, latency, from) => host.passes ? host.act(name, body, latency, from) : host.act(name, body, this, latency),
      opened: () => {
        this.#emit("open");
        host.opened(this);
      },
      closed: () => this.#emit("close"),
      create: (label, init) => this.#connection.createDataChannel(label, init),
      number: (packed) => host.passes && host.trail.number(packed),
      large: ({ to }) => host.passes && host.trail.large(to),
      cut: () => this.#failed(fail("lost", "a message of more than 64 KiB may not have come: the connection was lost")),
      isNew: (n, from) => host.trail.isNew(host.passes ? from : user.userid, n),
      seen: (n, from) => host.trail.seen(host.passes ? from : user.userid, n),
    });
  }

  get userid() { return this.user.userid; }
  /** Whether it is a hub. */
  get passes() { return Boolean(this.#host.passes); }
  get room() { return this.#host.room; }
  get connection() { return this.#connection; }
  get streams() { return this.#streams.all; }
  /** ms that a message takes; null until measured. */
  get latency() { return this.talk.roundTrip === null ? null : this.talk.roundTrip / 2; }
  get state() { return this.#connection?.state ?? "new"; }

  sync() { this.#sending.sync(); }
  limit() { this.#sending.limit(); }
  /** The hub that took its place is about to leave. */
  goOn() { this.#sending.goOn(); }
  tellMute(local, kinds, on) { this.#sending.tellMute(local, kinds, on); }

  begin() {
    if (this.caller) this.#call();
    else this.#later(ASK);
  }

  /** What the one who calls has said may be lost. */
  hurry() { if (!this.caller && !this.made) this.#later(MEANWHILE + 100); }

  /** The user is back at the server: what was said to it meanwhile came to nobody. */
  returned() {
    if (this.caller && !this.made && !this.#distrusted) this.#call();
    else this.hurry();
  }

  #call() { this.#make(Math.max(Date.now(), this.#instance + 1)); }

  #make(instance) {
    this.#drop();
    this.heardBye = this.made = false;
    this.#instance = instance;
    const connection = new RTCConnection(this.#host.configuration());
    this.#connection = connection;
    const mine = () => this.#connection === connection;
    connection.onlocalchange = () => this.#tellSide(connection);
    connection.onaddstream = ({ stream }) => mine() && this.#streams.show(stream);
    connection.onremovestream = ({ stream }) => mine() && this.#streams.unshow(stream.id, "removed");
    connection.onstatechange = () => mine() && this.#tend();
    connection.ondatachannel = ({ channel }) => mine() && (this.talk.take(channel) || this.#host.channel(channel, this));
    connection.onerror = ({ error }) => mine() && this.#failed(error);
    if (this.caller) this.talk.create();
    const proven = this.#beginProof(connection);
    this.#introduced = Promise.all([connection.ready, proven]).then(async () => {
      if (!mine()) return;
      this.#sending.begin();
      await this.#tellSide(connection);
      connection.oncandidate = ({ candidate }) => this.#say(connection, { candidate });
      connection.onendofcandidates = () => this.#say(connection, { endOfCandidates: true });
    });
    this.sync();
    this.#tend();
  }

  #beginProof(connection) {
    const { secret, me } = this.#host;
    const [caller, callee] = this.caller ? [me, this.userid] : [this.userid, me];
    this.#proof = secret ? new Proof(secret, this.caller, { instance: this.#instance, caller, callee }, (body) => this.#say(connection, body)) : null;
    return this.#proof?.passed;
  }

  async #tellSide(connection) {
    this.#say(connection, this.#proof ? await this.#proof.side(connection) : { iceInfo: connection.local });
  }

  /** One of the two does not know the secret, or somebody between them has altered what they say. */
  #distrust(reason, tell) {
    if (tell) this.#host.say(this.userid, { instance: this.#instance, wrongSecret: true });
    this.#distrusted = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#emit("impostor", { reason });
  }

  #drop() {
    const connection = this.#connection;
    this.#connection = null;
    this.talk.drop();
    connection?.close();
    if (connection) this.#host.dropped(this);
    this.#streams.unshowAll("connection");
  }

  /** This side needs the connection no longer: it goes on until the other side says so, too. */
  sayBye() { if (this.#connection) this.#say(this.#connection, { bye: true }); }

  /** Another way has taken its place: nothing is told. */
  replaced() {
    this.#silent = true;
    this.end();
  }

  createDataChannel(label, init) { return this.#connection.createDataChannel(label, init); }

  /** The user left, or this side did; `told` where both stay, and nothing goes between them any longer. */
  end(told = false) {
    if (told && this.#connection) this.#say(this.#connection, { bye: true });
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.talk.end(this.#silent);
  }

  #say(connection, body) {
    if (this.#connection === connection) this.#host.say(this.userid, { instance: this.#instance, ...JSON.parse(JSON.stringify(body)) });
  }

  #emit(name, fields) {
    if (this.#silent || (this.#ended && name !== "streamEnded")) return;
    this.#host.emit(name, { userid: this.userid, extra: this.user.extra, ...fields });
  }

  #failed(error) { if (!this.#ended && error.name !== "AbortError") this.#emit("error", { error }); }

  // -- What is heard

  /** False where the body is none of these. */
  hear(body) {
    if (body === null || typeof body !== "object" || !KNOWN.some((name) => name in body)) return false;
    this.#heard = this.#heard.then(() => this.#take(body)).catch((error) => this.#failed(error));
    return true;
  }

  #take(body) {
    if (this.#ended) return undefined;
    if (body.streams) return this.#streams.hearStreams(body.streams);
    if (body.mute) return this.#streams.hearMute(body.mute);
    if (body.pause) return this.#sending.hearPause(body.pause);
    if (body.again) return this.#hearAgain();
    return Number.isSafeInteger(body.instance) ? this.#hearInstance(body) : undefined;
  }

  async #hearInstance({ instance, pake, iceInfo, mac, candidate, endOfCandidates, track, gone, bye, tell, wrongSecret }) {
    if ((iceInfo || pake) && !this.caller && instance > this.#instance) {
      this.#distrusted = false;
      this.#make(instance);
    }
    const connection = this.#connection;
    if (instance !== this.#instance || !connection || connection.state === "closed" || this.#distrusted) return;
    if (wrongSecret) return this.#distrust("the other side did not find the secret proven", false);
    if (pake && !this.#proof) return this.#distrust("the other side wants a secret proven, and none is given here", true);
    const wrong = pake ? await this.#proof.hear(pake) : iceInfo ? await this.#proof?.check(connection, iceInfo, mac) : null;
    if (this.#connection !== connection) return;
    if (wrong) return this.#distrust(wrong, true);
    if (iceInfo) {
      connection.setRemote(iceInfo);
      connection.connect();
    }
    if (candidate) connection.setRemoteCandidate(candidate);
    if (endOfCandidates) connection.endOfRemoteCandidates();
    if (track && this.#host.hears(this.userid)) {
      connection.receiveTrack(track)
        .then(() => this.#streams.apply())
        .catch((error) => this.#failed(error));
    }
    if (gone) connection.stopReceiving(gone);
    if (tell) this.#sending.tellAgain();
    if (!bye) return;
    this.heardBye = true;
    if (this.#host.halves?.()) this.#sending.rest();
    else this.#drop();
  }

  #hearAgain() {
    // Asked twice in a row it is the same want.
    if (this.caller && !this.#distrusted && Date.now() > this.#instance + MEANWHILE) this.#call();
  }

  // -- Whether it goes

  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#mend(), ms);
  }

  #tend() {
    const { state } = this;
    clearTimeout(this.#timer);
    if (state === "connected") [this.#tries, this.made] = [0, true];
    else if (!this.caller) this.#later(ASK);
    else if (state === "halted") this.#later(this.#tries ? Math.random() * Math.min(MOST, 500 * 2 ** this.#tries) : 500);
    else this.#later(state === "closed" ? 500 + Math.random() * Math.min(MOST, 500 * 2 ** this.#tries) : PATIENCE);
    this.#emit("peerState", { state, reason: this.#connection?.reason ?? null });
  }

  #mend() {
    // Nothing can be agreed while the server is away.
    if (!this.#host.online) return this.#later(1000);
    const { state } = this;
    this.#tries++;
    if (state === "searching") this.#emit("unreached");
    if (!this.caller) {
      this.#host.say(this.userid, { again: true });
      this.#later(ASK);
    } else if (state === "halted" && this.#tries <= RESTARTS) {
      this.#connection.restart().catch((error) => this.#failed(error));
      this.#later(MENDING);
    } else this.#call();
  }
}
