// One call: its connection, its tiles, its words. What is sent is what `devices` has, at any time.
import { RTCConnection, DTMFMediaStreamTrack } from "../ortc.js";
import { $ } from "./dom.js";
import { note, word } from "./chat.js";
import { devices } from "./devices.js";
import { Tile } from "./tile.js";
import { showMessage } from "./wires.js";

const PATIENCE = 15_000; // ms until the user hears that nobody was reached

export class Call {
  #wire;
  #host;
  #tiles = new Map();
  #sent = new MediaStream();
  #connection = null;
  #introduced = false;
  #waiting = []; // messages of the peer that come before this side is introduced
  #chat = null;
  #unsent = [];
  #dtmf = null;
  #ended = false;
  #patience = 0;
  #follow = () => this.#send();

  /**
   * `host` has what differs: `rust` (the peer is a program) and `iceServers`; and it is told what
   * the user must know: `met`, `alone`, `left`, `full`, `busy` and `lost` of the signalling,
   * `changed` and `unreached` of the connection, `over` at the end.
   */
  constructor(wire, host) {
    this.#wire = wire;
    this.#host = host;
    this.#tiles.set("own", new Tile("You", this.#sent, true));
    this.#place();
    devices.addEventListener("change", this.#follow);
    this.#send();
    wire.lost = () => !this.#ended && host.lost(this);
    /** Whether the other end of the wire is there. */
    this.ready = wire.ready.then(() => true, () => false);
  }

  get connected() { return this.#connection?.state === "connected"; }

  /** Begins to hear the other side; a program is there by then. */
  listen() {
    if (this.#host.rust) this.#connect();
    this.#wire.listen((text) => this.#came(text));
  }

  /** Begins, or begins again: a room may be left and entered by the other side. */
  #connect() {
    this.#disconnect();
    const connection = new RTCConnection({ iceServers: this.#host.iceServers });
    this.#connection = connection;
    this.#dtmf = new DTMFMediaStreamTrack();
    connection.oncandidate = ({ candidate }) => this.#say({ candidate });
    connection.onlocalchange = ({ local }) => this.#say({ iceInfo: local });
    connection.onaddstream = ({ stream }) => this.#show(stream);
    connection.onremovestream = ({ stream }) => this.#unshow(stream.id);
    connection.onstatechange = () => this.#changed(connection);
    connection.ondatachannel = ({ channel }) => this.#talk(channel);
    connection.onerror = ({ error }) => console.warn(error);
    this.#send();
    connection.ready.then(() => {
      if (this.#connection !== connection) return;
      this.#say({ iceInfo: connection.local });
      this.#introduced = true;
      this.#waiting.splice(0).forEach((message) => this.#hear(message));
    });
    this.#changed(connection);
    this.#bePatient(connection);
  }

  /** Where not one candidate of the other side can be used, browsers wait for ever. */
  #bePatient(connection) {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => ["new", "searching"].includes(connection.state) && this.#host.unreached(this), PATIENCE);
  }

  #disconnect() {
    clearTimeout(this.#patience);
    const connection = this.#connection;
    this.#connection = this.#chat = this.#dtmf = null;
    this.#introduced = false;
    this.#waiting = [];
    connection?.close();
    for (const id of [...this.#tiles.keys()]) if (id !== "own") this.#unshow(id);
    this.#tiles.get("own")?.blank();
  }

  /** Brings what is sent, and the tile that shows it, in line with the devices. */
  #send() {
    const { tracks } = devices;
    for (const track of this.#sent.getTracks()) if (!tracks.includes(track)) this.#sent.removeTrack(track);
    for (const track of tracks) this.#sent.addTrack(track);
    this.#tiles.get("own").follow();
    const connection = this.#connection;
    if (!connection || connection.state === "closed") return;
    for (const sending of connection.tracks()) {
      if (tracks.includes(sending.source)) continue;
      const next = tracks.find((track) => track.kind === sending.kind && !connection.track(track));
      if (next) sending.replaceSource(next).catch((error) => console.warn(error)); // the peer need not know
      else this.#take(sending);
    }
    for (const added of connection.addStream(this.#sent)) {
      // Described at once: a digit may come sooner than the word that there will be digits.
      if (added.kind === "audio") connection.addDtmfHandler(this.#dtmf);
      this.#describe(added);
    }
  }

  #take(sending) {
    const { ssrc } = sending;
    sending.remove();
    if (ssrc) this.#say({ gone: ssrc });
  }

  async #describe(track) {
    const connection = this.#connection;
    try {
      await track.ready;
      // It may be gone by now, with its connection or alone.
      if (connection === this.#connection && connection.tracks().includes(track)) this.#say({ track: track.getDescription() });
    } catch (error) {
      if (connection === this.#connection) console.warn(error);
    }
  }

  #say(message) {
    const text = JSON.stringify(message);
    showMessage("out", text, JSON.parse(text));
    this.#wire.send(text);
  }

  #came(text) {
    if (this.#ended) return;
    let message = null;
    try {
      message = JSON.parse(text);
    } catch {
      // Said below.
    }
    if (typeof message !== "object" || message === null) return note("A message was refused: it is no JSON object.");
    if (message.room) return this.#enter(message.room);
    showMessage("in", text, message);
    if (this.#connection && !this.#introduced) this.#waiting.push(message);
    else this.#hear(message);
  }

  /** What the room says. */
  #enter(room) {
    if (room === "both") {
      this.#host.met();
      return this.#connect();
    }
    if (room === "alone") {
      const left = this.#connection !== null;
      this.#disconnect();
      if (left) this.#unsent = []; // It was for the one who is gone.
      return left ? this.#host.left(this) : this.#host.alone(this);
    }
    return this.#host[room === "busy" ? "busy" : "full"](this);
  }

  #hear(message) {
    const connection = this.#connection;
    if (!connection || connection.state === "closed") return;
    try {
      if (message.iceInfo) {
        connection.setRemote(message.iceInfo);
        connection.connect();
        // One of the two makes the channel: the one with the greater name.
        const { usernameFrag } = connection.local.ice;
        if (!this.#chat && (this.#host.rust || usernameFrag > connection.remote.ice.usernameFrag)) this.#talk(connection.createDataChannel("chat"));
      }
      if (message.candidate) connection.setRemoteCandidate(message.candidate);
      if (message.track) connection.receiveTrack(message.track).catch((error) => error.name === "AbortError" || console.warn(error));
      if (message.gone) connection.stopReceiving(message.gone);
    } catch (error) {
      console.warn(error);
      note(`A message was refused: ${error.message}`);
    }
  }

  #changed(connection) {
    if (this.#connection !== connection) return;
    const { state, reason } = connection;
    this.#host.changed(this, state, reason);
  }

  /** Looks for a way to the other side once more. */
  restart() {
    const connection = this.#connection;
    if (!connection || connection.state === "closed") return;
    connection.restart().catch((error) => console.warn(error));
    this.#bePatient(connection);
  }

  // -- Tiles

  #show(stream) {
    const count = this.#tiles.size - 1;
    const name = this.#host.rust ? ["Rust", "You, sent back"][count] ?? "Sent back" : count ? "Their second stream" : "The other side";
    this.#tiles.set(stream.id, new Tile(name, stream));
    this.#place();
  }

  #unshow(id) {
    this.#tiles.get(id)?.remove();
    this.#tiles.delete(id);
    this.#place();
  }

  /** The own one comes last. */
  #place() {
    const order = [...this.#tiles].sort(([a], [b]) => (a === "own") - (b === "own"));
    const grid = $("#tiles");
    order.forEach(([, tile], at) => grid.children[at] !== tile.root && grid.insertBefore(tile.root, grid.children[at] ?? null));
    grid.dataset.count = order.length;
  }

  async measure() {
    const connection = this.#connection;
    if (!this.connected) return;
    const stats = await connection.stats();
    if (this.#connection !== connection) return;
    for (const [id, tile] of this.#tiles) {
      const sources = id === "own" ? null : new Set(connection.sources(tile.stream).map(Number));
      tile.update(sources ? stats.inboundRtp.filter((row) => sources.has(row.ssrc)) : stats.outboundRtp, stats.transport);
    }
  }

  // -- Words and digits

  #talk(channel) {
    if (channel.label === "notes") channel.onmessage = ({ data }) => note(String(data).slice(0, 400));
    if (channel.label !== "chat") return;
    this.#chat = channel;
    channel.onmessage = ({ data }) => typeof data === "string" && word(data.slice(0, 4000), "");
    channel.onopen = () => this.#unsent.splice(0).forEach((text) => channel.send(text));
  }

  write(text) {
    word(text, "mine");
    if (this.#chat?.readyState === "open") this.#chat.send(text);
    else this.#unsent.push(text);
  }

  /** False where there is no microphone whose packets could carry it. */
  dial(digit) {
    if (!this.#connection?.tracks({ kind: "audio" }).length) return false;
    this.#dtmf.play({ digits: digit, duration: 160, interToneGap: 80 });
    return true;
  }

  /** Ends it, whatever state it is in. */
  close() {
    if (this.#ended) return;
    this.#ended = true;
    devices.removeEventListener("change", this.#follow);
    this.#disconnect();
    this.#wire.close();
    this.#unshow("own");
  }

  leave(...why) {
    if (this.#ended) return;
    this.close();
    this.#host.over(...why);
  }
}
