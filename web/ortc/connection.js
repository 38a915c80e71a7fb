// One connection to one peer: what applications call.
import { native } from "./capabilities.js";
import { RTCIceCandidateDescription } from "./candidate.js";
import { Channels } from "./channel.js";
import { isHelper, sameCodec } from "./codecs.js";
import { RTCTrackDescription } from "./description.js";
import { attachedDtmf, DTMFMediaStreamTrack } from "./dtmf.js";
import { Target } from "./events.js";
import { refuseForeign } from "./foreign.js";
import { Receivers } from "./receivers.js";
import { takeSeat } from "./seat.js";
import { Session } from "./session.js";
import { checkSide, readFingerprints, readSide } from "./side.js";
import { RTCSocket } from "./socket.js";
import { readStats } from "./stats.js";
import { fail } from "./tools.js";
import { RTCTrack } from "./track.js";
import { watchTransport } from "./transport.js";

const CONNECTION_EVENTS = [
  "candidate", "endofcandidates", "activecandidate", "connected", "disconnected", "addstream",
  "removestream", "unknowntrack", "datachannel", "statechange", "localchange", "error",
];
const KEPT_EVENTS = ["candidate", "endofcandidates", "addstream", "datachannel"];

export class RTCConnection extends Target {
  #pc;
  #socket;
  #remote = { ice: { usernameFrag: null, password: null }, dtls: { fingerprint: null } };
  #wanted = false; // to be connected
  #state = "new";
  #reason = null;
  #session;
  #receivers;
  #channels;
  #owner; // what a track needs of its connection

  constructor(options = {}) {
    super(CONNECTION_EVENTS, KEPT_EVENTS);
    const seat = takeSeat(options ?? {});
    this.#pc = seat.pc;
    const emit = (name, fields) => this._emit(name, fields);
    const failed = (error) => this.#failed(error);
    const closed = () => this.#state === "closed";
    this.#channels = new Channels(seat.pc, () => Math.min(this.#session.applied?.maxMessageSize || Infinity, seat.pc.sctp?.maxMessageSize || Infinity));
    this.#receivers = new Receivers({ emit, failed });
    this.#session = new Session(seat, this.#receivers, {
      closed,
      failed,
      wanted: () => this.#wanted,
      side: () => readSide(this.#remote),
      moved: () => emit("localchange", { local: this.local }),
      answered: () => this.#channels.start(failed),
    });
    watchTransport(this.#pc, {
      emit,
      candidate: (name, fields) => this.#session.tellCandidate(() => emit(name, fields)),
      fingerprint: () => this.#session.local.dtls.fingerprint,
      transport: () => this.#pc.sctp?.transport ?? this.#session.slots.all[0]?.sender.transport,
      state: (state, reason) => this.#setState(state, reason),
      end: (reason) => this.#end(reason),
    });
    this.#pc.ondatachannel = ({ channel }) => emit("datachannel", { channel: this.#channels.limited(channel) });
    this.#pc.ontrack = (event) => this.#receivers.came(event);
    this.#owner = this.#own();
    const adopt = () => {
      this.#session.adopt();
      return this;
    };
    if (seat.offer) adopt();
    /** Resolves once `local` is there, which is mostly at once. */
    this.ready = seat.ready.then(adopt);
    this.ready.catch(failed);
  }

  #own() {
    const connection = this;
    const session = this.#session;
    const alive = () => this.#alive();
    return {
      get ready() { return connection.ready; },
      alive,
      failed: (error) => this.#failed(error),
      changed: () => session.reconcile({ offer: true }),
      slot: (kind, encodings) => session.slot(kind, encodings),
      release: (slot) => session.release(slot),
      described: (slot) => session.slots.described(slot, alive),
    };
  }

  // -- What the draft has ---------------------------------------------------------------------

  /** This side: signal it to the peer as JSON. */
  get local() {
    const { local } = this.#session;
    if (!local) {
      throw fail("InvalidStateError", "the browser has no credentials yet: await connection.ready, or make fewer connections at once");
    }
    return local;
  }

  /** The peer's side; set its members, or the whole of it, before `connect`. */
  get remote() { return this.#remote; }
  set remote(side) { this.setRemote(side); }

  setRemote(side) {
    this.#alive();
    refuseForeign(side, "a connection side: { ice: { usernameFrag, password }, dtls: { fingerprint } }");
    const read = readSide(side);
    if (read.ufrag === null || read.pwd === null) throw fail("InvalidAccessError", "usernameFrag and password are missing");
    checkSide(read);
    const known = readSide(this.#remote).fingerprints;
    this.#remote.ice = { usernameFrag: read.ufrag, password: read.pwd };
    this.#remote.dtls = {
      fingerprint: Object.fromEntries(read.fingerprints ?? known ?? []),
      ...(read.role && { role: read.role }),
    };
    if (!read.fingerprints && !known) this.#remote.dtls.fingerprint = null;
    if (side.sctp) this.#remote.sctp = { maxMessageSize: read.maxMessageSize };
    else delete this.#remote.sctp;
    this.#session.reconcile();
  }

  getLocalSocket() {
    this.#socket ??= new RTCSocket(this.#pc.getConfiguration().certificates ?? []);
    return this.#socket;
  }

  /** A browser applies its candidates by itself; there is nothing left to do. */
  setLocalCandidate(candidate) {
    this.#alive();
    new RTCIceCandidateDescription(candidate);
  }

  /** Adds a candidate of the peer, at any time and in any order. */
  setRemoteCandidate(raw) {
    this.#alive();
    const candidate = new RTCIceCandidateDescription(raw);
    // The draft's example signals no fingerprint; it comes with the first candidate then.
    if (candidate.dtls?.fingerprint && !this.#remote.dtls.fingerprint) {
      this.#remote.dtls.fingerprint = Object.fromEntries(readFingerprints(candidate.dtls.fingerprint));
      this.#session.reconcile();
    }
    this.#session.addCandidate(candidate);
  }

  endOfRemoteCandidates() {
    this.#alive();
    this.#session.endOfCandidates();
  }

  connect() {
    this.#alive();
    const side = readSide(this.#remote);
    if (side.ufrag === null || side.pwd === null) {
      throw fail("InvalidStateError", "remote.ice needs the peer's usernameFrag and password before connect");
    }
    checkSide(side);
    this.#wanted = true;
    if (this.#state === "new") this.#setState("searching");
    this.#session.reconcile();
  }

  /** After a change of the network. Browsers gather anew with new credentials only: see `restart`. */
  update() { return this.restart(); }

  /** ICE restart: resolves with the new local side, which must be signalled (event `localchange`). */
  restart() {
    this.#alive();
    if (this.#failedToReach) this.#setState("searching");
    return this.#session.restart();
  }

  /** Sends the tracks of a stream; called again, those that were added to it since. */
  addStream(stream, autostart = true) {
    this.#alive();
    const added = [];
    for (const source of stream.getTracks()) {
      const known = this.track(source);
      if (!known) added.push(new RTCTrack(this.#owner, this.#session.slot(source.kind), source, [stream.id], autostart ?? true));
      else if (!known.msid.includes(stream.id)) known.msid = [...known.msid, stream.id];
    }
    for (const dtmf of attachedDtmf.get(stream) ?? []) this.addDtmfHandler(dtmf, stream);
    this.#session.reconcile({ offer: true });
    return added;
  }

  removeStream(stream) {
    this.#alive();
    const tracks = this.tracks({ mediaStream: stream.id });
    for (const track of tracks) {
      const rest = track.msid.filter((id) => id !== stream.id);
      if (rest.length) track.msid = rest;
      else track.remove();
    }
    return tracks.length > 0;
  }

  track(source) { return this.tracks().find((track) => track.source === source) ?? null; }

  tracks(filter) {
    const { mediaStream, kind } = filter ?? {};
    return this.#session.slots.tracks
      .filter((track) => (!kind || track.kind === kind) && (!mediaStream || track.msid.includes(mediaStream)));
  }

  getSendingStreams() { return [...new Set(this.tracks().flatMap((track) => track.msid))]; }
  getReceivingStreams() { return this.#receivers.streams; }

  /** Whether something of a received track came lately that is shown or heard: of a picture, one that was decoded. */
  isConnected(track) { return this.#receivers.isConnected(track); }
  /** The SSRCs that a received stream consists of, as `stats` has them. */
  sources(stream) { return this.#receivers.sources(stream); }

  /** Readies reception of a track that the peer described; resolves with the browser's track. */
  receiveTrack(raw) {
    this.#alive();
    const description = new RTCTrackDescription(raw);
    if (!description.codecs.some((codec) => !isHelper(codec) && native[description.kind].some((own) => sameCodec(own, codec)))) {
      throw fail("NotSupportedError", "none of the description's codecs can be received");
    }
    if (!description.ssrc && !description.muxId) {
      throw fail("NotSupportedError", "a browser needs the ssrc or the muxId of a track");
    }
    const track = this.#receivers.want(description);
    this.#session.reconcile({ receive: true });
    return track;
  }

  /** Stops receiving a track, known by its ssrc or by itself. */
  stopReceiving(which) {
    this.#alive();
    if (!this.#receivers.stop(which)) return false;
    this.#session.reconcile({ receive: true });
    return true;
  }

  /** A DTMF track that plays on the audio track of `stream`, or else on the first audio track. */
  addDtmfHandler(dtmf = new DTMFMediaStreamTrack(), stream = null) {
    this.#alive();
    const track = this.tracks({ kind: "audio", mediaStream: stream?.id })[0] ?? this.tracks({ kind: "audio" })[0];
    if (!track) throw fail("InvalidStateError", "DTMF needs an audio track to play on");
    track._dtmf = dtmf;
    dtmf._attach(track);
    return dtmf;
  }

  createDataChannel(label = "", init = {}) {
    this.#alive();
    return this.#channels.create(label, init);
  }

  close() { this.#end("closed"); }

  // -- Beside the draft -----------------------------------------------------------------------

  /** new, searching, connected, halted or closed. */
  get state() { return this.#state; }
  /** Why the connection was last lost. */
  get reason() { return this.#reason; }

  /** Rejects when nobody was reached, until `restart`, and when the connection is closed. */
  connected() {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#state === "connected") resolve();
        else if (this.#state === "closed") reject(fail("InvalidStateError", `the connection is closed: ${this.#reason}`));
        else if (this.#failedToReach) reject(fail("OperationError", `nobody was reached: ${this.#reason}`));
        else return;
        this.removeEventListener("statechange", look);
      };
      this.addEventListener("statechange", look);
      look();
    });
  }

  get #failedToReach() { return this.#state === "halted" && this.#reason === "IceFailed"; }

  /** The browser's own statistics. */
  getStats() { return this.#pc.getStats(); }

  /** Statistics in the shape of the Rust crate's, with what browsers know besides. */
  async stats() {
    return readStats(await this.#pc.getStats(), this.#state, new Set(this.tracks().map((track) => track.ssrc)));
  }

  // -- States ---------------------------------------------------------------------------------

  #setState(state, reason) {
    if (this.#state === state || this.#state === "closed") return;
    const before = this.#state;
    this.#state = state;
    if (reason) this.#reason = reason;
    if (state === "connected") this._emit("connected");
    else if (reason && (before === "connected" || state !== "halted" || reason === "IceFailed")) this._emit("disconnected", { reason });
    this._emit("statechange", { state });
  }

  #end(reason) {
    if (this.#state === "closed") return;
    this.#pc.close();
    this.#setState("closed", reason);
    this.#session.close();
    this.#receivers.close();
    this.#channels.close();
  }

  #alive() {
    if (this.#state === "closed") throw fail("InvalidStateError", "the connection is closed");
  }

  #failed(error) {
    if (this.#state !== "closed") this._emit("error", { error });
  }
}
