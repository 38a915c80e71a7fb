// The negotiation with the browser, inside this page: it needs no message, and glare cannot happen.
//
// * Only remote descriptions are composed; local ones go back into the browser as it made them.
// * Every section sends or receives, never both. What this page sends is offered by the browser and
//   answered by `compose`; what it receives is offered by `compose` and answered by the browser,
//   with the sender's own payload ids, SSRCs and stream ids.
// * ICE roles are left to the tie-breaker; the DTLS roles follow from the credentials, which both
//   sides know: the greater (usernameFrag, password) is the server.
import { agreed, draftName } from "./codecs.js";
import { compose } from "./compose.js";
import { LocalCandidates } from "./local_candidates.js";
import { RemoteCandidates } from "./remote_candidates.js";
import { BOTH_RESTART, Restarts } from "./restarts.js";
import { eat, sideOf } from "./sdp.js";
import { checkSide, isClient } from "./side.js";
import { Slots } from "./slots.js";
import { fail } from "./tools.js";

export class Session {
  #seat;
  #pc;
  #receivers;
  #host;
  #local = null;
  #applied = null;
  #setup = null; // the peer's DTLS role in answers
  #layout = [];
  #version = 0;
  #candidates;
  #own = new LocalCandidates();
  #restarts;
  #working = false;
  #again = false;
  #refused = null; // credentials of the peer that the browser does not take
  #work = { offer: false, receive: false, restart: null };

  /**
   * `host` has `side` (the peer's, as far as it is known), `wanted` (whether to connect), `closed`,
   * `failed`, `moved` (this side is another now) and `answered` (the peer's side is in the browser).
   */
  constructor(seat, receivers, host) {
    this.#seat = seat;
    this.#pc = seat.pc;
    this.#receivers = receivers;
    this.#host = host;
    this.#candidates = new RemoteCandidates(seat.pc);
    this.#restarts = new Restarts(seat.pc);
    this.slots = new Slots(seat.pc, seat.spares);
    seat.pc.addEventListener("iceconnectionstatechange", () => this.slots.misnumbered && this.reconcile());
  }

  /** This side; null until the browser has made it. */
  get local() { return this.#local; }
  /** The peer's side as the browser knows it. */
  get applied() { return this.#applied; }

  /** The browser has made its first offer. */
  adopt() {
    if (this.#local) return;
    this.#layout = this.#seat.sections;
    this.slots.adopt(this.#layout);
    this.#local = sideOf(this.#layout);
    this.reconcile();
  }

  /** A section for a track, to be offered unless one is prepared. */
  slot(kind, encodings) {
    const free = encodings ? null : this.slots.free(kind);
    if (free) return free;
    const slot = this.slots.add(kind, encodings);
    this.reconcile();
    return slot;
  }

  release(slot) {
    this.slots.remove(slot);
    this.reconcile({ offer: true });
  }

  /** ICE restart: resolves with the new local side. */
  restart() {
    const waiting = (this.#work.restart ??= {});
    waiting.promise ??= new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    this.reconcile();
    return waiting.promise;
  }

  close() { this.#work.restart?.reject?.(fail("AbortError", "the connection is closed")); }

  /** `tell` says one of this side's candidates, or their end. */
  tellCandidate(tell) { this.#own.add(() => this.#host.closed() || tell()); }

  addCandidate(candidate) {
    this.#candidates.add(candidate);
    this.#passCandidates();
  }

  endOfCandidates() {
    this.#candidates.end();
    this.#passCandidates();
  }

  #passCandidates() {
    if (this.#applied) this.#candidates.pass(this.#applied.ufrag, this.#layout[0].mid);
  }

  // -- One step after the other

  /** Brings the browser's session in line with what is wanted. */
  reconcile(work) {
    Object.assign(this.#work, work);
    this.#again = true;
    if (this.#working || !this.#local) return;
    this.#working = true;
    (async () => {
      await null; // Verbs called in a row make one step.
      while (this.#again && !this.#host.closed()) {
        this.#again = false;
        try {
          while (!this.#host.closed() && (await this.#step()));
        } catch (error) {
          // What failed is not tried again; what waits behind it is.
          this.slots.fail(error);
          this.#host.failed(error);
          this.#again = true;
        }
      }
      this.#working = false;
    })();
  }

  /** True when something was done. */
  async #step() {
    const work = this.#work;
    if (!this.#pc.localDescription) {
      await this.#pc.setLocalDescription(this.#seat.offer);
      return true;
    }
    const side = this.#completeSide();
    if (!this.#applied) return this.#begin(side);
    // Before that Firefox may not find the path any more.
    if (this.slots.misnumbered && /^(connected|completed)$/.test(this.#pc.iceConnectionState)) return this.#number();
    const moved = side && side.ufrag !== this.#applied.ufrag;
    if (moved && !work.restart && BOTH_RESTART) {
      await this.#followRestart(side);
      return true;
    }
    if (work.offer || work.restart || moved || this.slots.fresh) {
      await this.#renegotiate();
      return true;
    }
    if (work.receive) {
      work.receive = false;
      await this.#receive();
      return true;
    }
    return false;
  }

  /** The peer's side, if all of it is known and the browser may take it. */
  #completeSide() {
    const side = this.#host.side();
    if (side.ufrag === null || side.pwd === null || !side.fingerprints || side.ufrag === this.#refused) return null;
    try {
      checkSide(side);
    } catch (error) {
      this.#refused = side.ufrag;
      throw error;
    }
    return side;
  }

  /** Up to the first answer. */
  async #begin(side) {
    const work = this.#work;
    if (this.slots.fresh) {
      await this.#offer();
      return true;
    }
    if (!this.#host.wanted() || !side) return false;
    work.offer = false;
    const { restart } = work;
    work.restart = null;
    this.#setup = isClient(side, this.#local.ice) ? "active" : "passive";
    await this.#answer(side);
    restart?.resolve?.(this.#local);
    return true;
  }

  /** Firefox numbers header extensions by itself, and takes the numbers of an offer for all that it offers later. */
  async #number() {
    await this.#take(this.#compose("offer", this.slots.numbered(this.#layout), this.#applied));
    return true;
  }

  /** The browser answers an offer of the peer, or all is as it was. */
  async #take(sdp) {
    const pc = this.#pc;
    try {
      await pc.setRemoteDescription({ type: "offer", sdp });
      await pc.setLocalDescription(await pc.createAnswer());
    } catch (error) {
      if (pc.signalingState === "have-remote-offer") await pc.setRemoteDescription({ type: "rollback" });
      throw error;
    }
    this.#layout = eat(pc.localDescription.sdp);
  }

  /** The browser offers anew, with new credentials if that is asked for. */
  async #renegotiate() {
    const pc = this.#pc;
    const { restart } = this.#work;
    Object.assign(this.#work, { offer: false, restart: null });
    try {
      if (restart) {
        await this.#restarts.begin();
        const before = this.#applied.ufrag;
        this.#own.hold(this.#restarts.quiet(() => ![before, null].includes(this.#candidates.passed)));
        pc.restartIce();
      }
      this.slots.spare();
      await this.#offer();
      if (restart) {
        this.#move();
        await this.#restarts.offered(() => this.#host.side().ufrag !== this.#applied.ufrag);
      }
      const now = this.#host.side();
      await this.#answer(now.fingerprints ? now : this.#applied);
      restart?.resolve?.(this.#local);
    } catch (error) {
      restart?.reject?.(error);
      if (pc.signalingState === "have-local-offer") await pc.setLocalDescription({ type: "rollback" });
      throw error;
    }
  }

  async #offer() {
    const pc = this.#pc;
    await pc.setLocalDescription(await pc.createOffer());
    this.#layout = eat(pc.localDescription.sdp);
    this.slots.learn(this.#layout);
  }

  async #answer(side) {
    const before = this.#applied;
    try {
      await this.#pc.setRemoteDescription({ type: "answer", sdp: this.#compose("answer", this.#layout, side) });
    } catch (error) {
      if (before?.ufrag !== side.ufrag) this.#refused = side.ufrag;
      throw error;
    }
    this.#applied = side;
    this.#host.answered();
    for (const receiver of this.#receivers.all) if (this.#wasMoved(receiver)) receiver.dirty = this.#work.receive = true;
    if (before?.ufrag !== side.ufrag) this.#passCandidates();
  }

  /** Where an id has two meanings after all, the browser may move one; the peer's offer moves it back. */
  #wasMoved({ mid, description }) {
    const own = this.#layout.find((section) => section.mid === mid && mid !== null)?.codecs;
    return own && agreed(description.codecs, own).some((codec) => {
      const name = draftName(codec.name);
      return !description.codecs.some((one) => one["payload-id"] === codec["payload-id"] && draftName(one.name) === name);
    });
  }

  #move() {
    this.#local = sideOf(this.#layout);
    this.#host.moved();
  }

  /** The peer has restarted ICE: so does this side. */
  async #followRestart(side) {
    const pc = this.#pc;
    await this.#restarts.begin();
    side = this.#completeSide() ?? side; // It may be another by now.
    this.#refused = side.ufrag; // until it is taken
    await pc.setRemoteDescription({ type: "offer", sdp: this.#compose("offer", this.#layout, side) });
    await pc.setLocalDescription(await pc.createAnswer());
    this.#refused = null;
    this.#layout = eat(pc.localDescription.sdp);
    this.#move();
    await this.#restarts.answered();
    this.#applied = side; // lets its candidates in
    this.#passCandidates();
  }

  // -- What the peer sends

  /** Offers the browser what the peer sends, and lets it answer. */
  async #receive() {
    const wanted = this.#receivers.dirty;
    try {
      await this.#receiveAll(wanted);
    } catch (error) {
      // One bad description must not keep the others out.
      for (const receiver of wanted) {
        if (wanted.length > 1) await this.#receiveAll([receiver]).catch((error) => this.#receivers.refuse(receiver, error));
        else this.#receivers.refuse(receiver, error);
      }
    }
  }

  async #receiveAll(wanted) {
    if (!wanted.length) return;
    const layout = this.#receivers.place(wanted, this.#layout);
    await this.#take(this.#compose("offer", layout, this.#applied, new Set(wanted)));
    for (const receiver of wanted) {
      this.#receivers.settle(receiver, this.#layout.find((one) => one.mid === receiver.mid)?.rejected);
    }
  }

  /** In an offer, `placed` have their new descriptions; the others stay as they were accepted. */
  #compose(type, layout, side, placed = new Set()) {
    const sections = layout.map((section) => {
      const rank = this.#receivers.all.findIndex((one) => one.mid === section.mid);
      const receiver = this.#receivers.all[rank];
      if (receiver) {
        const receive = placed.has(receiver) ? receiver.description : receiver.accepted ?? receiver.description;
        return { ...section, rejected: section.rejected || !receiver.wanted, receive, rank };
      }
      const slot = this.slots.all.find((one) => one.mid === section.mid);
      return slot ? { ...section, send: slot.sent } : section;
    });
    return compose({ type, version: ++this.#version, side, setup: this.#setup, sections });
  }
}
