// The streams of one other user: what it says of them, what came of them, what this side does not want of them.
import { RemoteStream } from "./streams.js";

export class HeardStreams {
  #host;
  #told = new Map();
  #streams = new Map();
  #unwanted = new Map(); // stream id → kinds that this side does not want, also over a new connection

  /** `host` has `userid`, `room`, `incoming`, `left`, `connection`, `say(body)` and `emit(name, fields)`; `byHub` of who is reached by one. */
  constructor(host) { this.#host = host; }

  get all() { return [...this.#streams.values()]; }
  /** Tracks that came since are dropped as the others. */
  apply() { for (const remote of this.#streams.values()) remote.apply(); }

  hearStreams(streams) {
    this.#told = new Map(streams.map((one) => [String(one.id), one]));
    for (const id of this.#unwanted.keys()) if (!this.#told.has(id)) this.#unwanted.delete(id);
    for (const [id, remote] of this.#streams) {
      const told = this.#told.get(id);
      const { connection } = this.#host;
      if (told) remote.told = told;
      else for (const ssrc of connection.sources(remote.stream)) connection.stopReceiving(ssrc);
    }
  }

  hearMute({ stream, kinds, on }) {
    const told = this.#told.get(String(stream));
    if (!told || !Array.isArray(kinds)) return;
    told.muted = (told.muted ?? []).filter((kind) => !kinds.includes(kind)).concat(on ? kinds : []);
    const remote = this.#streams.get(stream);
    if (!remote) return;
    remote.mutedBySender = new Set(told.muted);
    this.#host.emit(on ? "mute" : "unmute", { stream: remote, kinds, by: "sender" });
  }

  show(stream) {
    const remote = new RemoteStream({
      want: (height) => this.#host.byHub && this.#host.say({ want: { stream: stream.id, height } }),
      pause: (_, kinds, on) => {
        this.#host.say({ pause: { stream: stream.id, kinds, on } });
        this.#unwanted.set(stream.id, remote.dropped);
        this.#host.emit(on ? "mute" : "unmute", { stream: remote, kinds, by: "receiver" });
      },
    }, stream, this.#host.userid, this.#host.room);
    const asked = this.#host.byHub && this.#host.incoming.video === "asked";
    const known = this.#unwanted.get(stream.id);
    const unwanted = known ?? [];
    remote.told = this.#told.get(stream.id) ?? {};
    // A hub gives another id to one of two that have the same.
    if (typeof remote.told.as === "string") remote.id = remote.told.as;
    remote.mutedBySender = new Set(remote.told.muted ?? []);
    this.#streams.set(stream.id, remote);
    if (asked) remote.begin(["video"]);
    remote.take(this.#host.incoming);
    if (asked && known && !known.includes("video")) remote.unmute({ video: true });
    if (unwanted.length) remote.mute(Object.fromEntries(unwanted.map((kind) => [kind, true])));
    this.#host.emit("stream", { stream: remote, streamid: remote.id, origin: "remote", session: remote.session });
  }

  unshow(id, reason) {
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#streams.delete(id);
    this.#host.emit("streamEnded", { stream, streamid: stream.id, origin: "remote", reason: this.#host.left ? "left" : reason });
  }

  unshowAll(reason) { for (const id of [...this.#streams.keys()]) this.unshow(id, reason); }
}
