// What is sent to one other user, and what that one is told of it.

/** Of several encodings the largest comes first: it is what one takes who knows of no others. */
function describe(track) {
  const description = track.getDescription();
  if (description.encodings) {
    description.encodings.reverse();
    description.mediaAttributes.reverse();
  }
  return description;
}

/** What a track is known by whose encodings have SSRCs that the browser does not tell; null before it was described. */
function muxIdOf(track) {
  try {
    const { muxId } = track.getDescription();
    return muxId === undefined ? null : { muxId };
  } catch {
    return null;
  }
}

export class Sending {
  #host;
  #link;
  #told = ""; // of the streams
  #resting = []; // what was sent until the other side said `bye`
  #again = 0; // when all was told once more

  /** `host` is the peer's; `link` has `userid`, `connection`, `introduced`, `say(connection, body)` and `failed(error)`. */
  constructor(host, link) {
    this.#host = host;
    this.#link = link;
  }

  get #wanted() { return this.#host.streams(this.#link.userid); }
  #tell(body) { this.#host.say(this.#link.userid, body); }

  /** There is a new connection, of which nothing was told. */
  begin() {
    if (this.#host.passes && this.#host.incoming.video === "asked") this.#tell({ unasked: ["audio"] });
    this.#told = "";
    this.#tellStreams();
  }

  /** Brings what is sent in line with the streams that there are. */
  sync() {
    const { connection } = this.#link;
    if (!connection || connection.state === "closed") return;
    const wanted = this.#wanted;
    this.#tellStreams();
    for (const sending of connection.tracks()) {
      const tracks = wanted.find(({ id }) => sending.msid.includes(id))?.stream.getTracks() ?? [];
      if (tracks.includes(sending.source)) continue;
      const next = tracks.find((track) => track.kind === sending.kind && !connection.track(track));
      if (next) sending.replaceSource(next).catch((error) => this.#link.failed(error)); // the peer need not know
      else this.#withdraw(connection, sending);
    }
    for (const local of wanted) {
      for (const added of connection.addStream(local.stream)) {
        this.#host.limit(added, local);
        this.#describe(connection, added);
      }
    }
  }

  /** Other limits for what is sent already. */
  limit() {
    const { connection } = this.#link;
    const wanted = this.#wanted;
    for (const sending of connection?.tracks() ?? []) {
      const local = wanted.find(({ id }) => sending.msid.includes(id));
      if (!local) continue;
      if (this.#host.limit(sending, local)) this.#describe(connection, sending);
    }
  }

  /** The other side takes nothing of this connection any longer: what makes it is for others. */
  rest() {
    const sent = (this.#link.connection?.tracks() ?? []).filter(({ started }) => started);
    this.#resting.push(...sent);
    for (const sending of sent) sending.stop();
  }

  /** It does after all. */
  goOn() {
    const there = this.#link.connection?.tracks() ?? [];
    for (const sending of this.#resting.splice(0)) if (there.includes(sending)) sending.start();
  }

  #withdraw(connection, sending) {
    const gone = sending.ssrc ?? muxIdOf(sending);
    sending.remove();
    if (gone) this.#link.say(connection, { gone });
  }

  async #describe(connection, track) {
    const there = () => this.#link.connection === connection;
    try {
      await this.#link.introduced;
      await track.ready;
      if (there() && connection.tracks().includes(track)) this.#link.say(connection, { track: describe(track) });
    } catch (error) {
      if (there()) this.#link.failed(error);
    }
  }

  #tellStreams() {
    const wanted = this.#wanted;
    const told = JSON.stringify(this.#host.passes ? wanted.map((one) => ({ ...one.toJSON(), ...(one.to !== null && { to: [one.to] }) })) : wanted);
    if (told === this.#told || (!this.#told && !wanted.length)) return;
    this.#told = told;
    this.#tell({ streams: JSON.parse(told) });
    for (const local of wanted) if (local.muted.length) this.tellMute(local, local.muted, true);
  }

  /** The other side receives what it was not told of, or so it says: at most once a second. */
  tellAgain() {
    if (Date.now() < this.#again + 1000) return;
    this.#again = Date.now();
    const { connection } = this.#link;
    this.begin();
    for (const track of connection.tracks()) this.#describe(connection, track);
  }

  tellMute({ id }, kinds, on) { this.#tell({ mute: { stream: id, kinds, on } }); }

  /** The other side wants part of a stream no longer, or again. */
  hearPause({ stream, kinds, on }) {
    if (!Array.isArray(kinds)) return;
    for (const sending of this.#link.connection?.tracks({ mediaStream: String(stream) }) ?? []) {
      if (kinds.includes(sending.kind) && sending.started === Boolean(on)) on ? sending.stop() : sending.start();
    }
  }
}
