// Files of a session: to peers and from them, each transfer over a channel of its own. A transfer whose
// connection was lost goes on over the next one.
import { fail } from "../errors.js";
import { alike } from "./manifest.js";
import { FileError, LABEL, lost, PROTOCOL } from "./messages.js";
import { Receiving } from "./receiver.js";
import { Sending, Source } from "./sender.js";
import { Keep } from "./store.js";

const OFFERS = 16; // that wait for an answer

export class Files {
  #host;
  #out = new Map(); // key → { source, room, later, strict, users: Map of user id → Sending }
  #in = new Map(); // key → Receiving
  #waiting = 0;

  /** `host` has `peers(room)`, `emit(name, fields)` and `taken()`, whether files are taken at all. */
  constructor(host) { this.#host = host; }

  /** Transfers that are under way. */
  get transfers() { return [...this.#in.values(), ...[...this.#out.values()].flatMap(({ users }) => [...users.values()])]; }

  /**
   * Offers these to all who are connected in the room, or `to` one: Files, or `{ path, file }` with the path's
   * components, and `{ path, folder: true }` for empty folders. `later`: to who comes later as well, also after this side
   * has gone where the room's hub keeps files. `key` is that of an
   * earlier offer of the same files, which is gone on with. Gives a transfer for each,
   * and beside them `source`, which has the key.
   */
  send(items, { to, room, later = false, key } = {}) {
    const source = new Source([...items].map((one) => (one instanceof File ? { path: [one.name], file: one } : one)), key);
    if (!source.entries.length) throw fail("noFiles", "there is nothing to send");
    // A hub that keeps files has it for them after this side has gone.
    source.keep = later && to === undefined;
    const out = { source, room, later, to, strict: key !== undefined, users: new Map() };
    this.#out.set(source.key, out);
    const peers = this.#host.peers(room).filter(({ userid, talk }) => talk.open && (to === undefined || to === userid));
    return Object.assign(peers.map((peer) => this.#offer(out, peer)), { source });
  }

  /** Sends them to nobody any more. */
  forget(key) {
    const out = this.#out.get(key);
    this.#out.delete(key);
    for (const transfer of out?.users.values() ?? []) transfer.cancel();
  }

  #offer(out, peer) {
    const channel = peer.createDataChannel(LABEL, { protocol: PROTOCOL });
    const transfer = new Sending(channel, out.source, { userid: peer.userid, room: peer.room }, out.strict);
    out.users.set(peer.userid, transfer);
    this.#tell(transfer, peer);
    return transfer;
  }

  /** A peer's channel is open: it is offered what was interrupted, and what is for who comes later. */
  opened(peer) {
    for (const out of this.#out.values()) {
      if (out.room !== undefined && out.room !== peer.room) continue;
      const before = out.users.get(peer.userid);
      const again = before?.error?.code === "lost";
      if (again || (!before && (out.later || out.to === peer.userid) && (out.to === undefined || out.to === peer.userid))) this.#offer(out, peer);
    }
  }

  /** The connection to a peer is gone, for now or for good. */
  dropped(peer) {
    for (const transfer of this.transfers) if (transfer.userid === peer.userid && transfer.room === peer.room) transfer._finish(lost());
  }

  /** A channel that a peer made; false if it is none of these. */
  take(channel, peer) {
    if (channel.label !== LABEL && channel.label !== `${LABEL}/${peer.userid}`) return false;
    const transfer = new Receiving(channel, { userid: peer.userid, room: peer.room, from: peer.user.extra ?? null });
    this.#read(transfer, peer).catch(() => {});
    return true;
  }

  async #read(transfer, peer) {
    if (!this.#host.taken()) return transfer.reject("no files are taken");
    if (this.#waiting >= OFFERS) return transfer.reject("too many offers wait already", "tooManyOffers");
    this.#waiting++;
    try {
      await transfer.offer;
      const running = this.#in.get(transfer.key);
      // The sender is back before anybody noticed that it was gone.
      if (running && !running.over) running._finish(lost());
      await running?.closed;
      const keep = await Keep.find(transfer.key);
      if (keep && alike(keep.about.entries, transfer.entries)) return await this.#accept(transfer, peer, keep);
      await this.#decided(transfer, peer);
    } finally {
      this.#waiting--;
    }
    return undefined;
  }

  /** Until the user has said whether it is wanted, or it is over. */
  #decided(transfer, peer) {
    return new Promise((resolve) => {
      transfer.ended.then(resolve);
      transfer.take = async () => {
        transfer.take = null;
        const { userid, title, entries, key } = transfer;
        await (await Keep.find(key))?.remove(); // Of other files.
        await this.#accept(transfer, peer, await Keep.create(key, { userid, from: transfer.from, title, entries }));
        resolve();
      };
      this.#emit("fileOffer", transfer, peer);
    });
  }

  async #accept(transfer, peer, keep) {
    this.#in.set(transfer.key, transfer);
    transfer.received = (file) => this.#emit("fileReceived", transfer, peer, { file, name: transfer.results.get(file).name });
    this.#tell(transfer, peer);
    await transfer.accept(keep);
  }

  #emit(name, transfer, peer, more) { this.#host.emit(name, { transfer, room: peer.room, userid: peer.userid, extra: peer.user.extra ?? transfer.from ?? undefined, ...more }); }

  #tell(transfer, peer) {
    let started = false;
    transfer.addEventListener("change", () => {
      if (!started && transfer.state === "running") {
        started = true;
        this.#emit("fileStart", transfer, peer);
      }
      this.#emit("fileProgress", transfer, peer);
    });
    this.#emit("fileProgress", transfer, peer);
    transfer.ended.then(() => {
      if (this.#in.get(transfer.key) === transfer && transfer.error?.code !== "lost") this.#in.delete(transfer.key);
      if (transfer.way === "out" && !transfer.error) this.#emit("fileSent", transfer, peer);
      this.#emit("fileEnd", transfer, peer, { error: transfer.error });
    });
  }
}

export { FileError, Keep };
