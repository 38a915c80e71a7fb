// The sections of the session that send.
import { told } from "./capabilities.js";
import { MID, NUMBERS, numbered, numbersDiffer, REPAIRED_RID, RID, SENT_EXTENSIONS } from "./extensions.js";
import { pause } from "./tools.js";

class Slot {
  constructor(transceiver, encodings) {
    this.transceiver = transceiver;
    this.kind = transceiver.receiver.track.kind;
    this.encodings = encodings; // of simulcast
    this.track = null;
    this.mid = null;
  }

  get sender() {
    return this.transceiver.sender;
  }

  /** Takes what the browser chose for this section. */
  learn(section) {
    if (this.mid !== null) return;
    this.mid = section.mid;
    this.ssrc = this.encodings ? undefined : section.ssrc;
    this.rtx = this.encodings ? undefined : section.rtx;
    this.cname = section.cname;
    this.codecs = told(section.codecs, this.rtx || this.encodings ? ["rtx", "dtmf"] : ["dtmf"]);
    const wanted = this.encodings ? [...SENT_EXTENSIONS, MID, RID, REPAIRED_RID] : SENT_EXTENSIONS;
    this.extensions = section.extensions.filter(({ uri }) => wanted.includes(uri));
  }

  /** For `compose`. */
  get sent() {
    return { codecs: this.track?._sent ?? this.codecs, encodings: this.encodings, extensions: this.extensions, active: this.track !== null };
  }
}

/** All of a connection: those in use, and the prepared ones. */
export class Slots {
  #pc;
  #all;
  #prepared; // those of the first offer, in its order
  misnumbered = false; // the browser has yet to be brought to the numbers of header extensions that are told

  constructor(pc, transceivers) {
    this.#pc = pc;
    this.#prepared = transceivers.map((transceiver) => new Slot(transceiver));
    this.#all = [...this.#prepared];
  }

  get all() { return this.#all; }
  get tracks() { return this.#all.map((slot) => slot.track).filter(Boolean); }
  /** Whether the browser must be asked about one. Encodings are told apart by numbers. */
  get fresh() { return this.#all.some((slot) => slot.mid === null && !slot.error && !(slot.encodings && this.misnumbered)); }

  /** One that nothing is sent in, or null. */
  free(kind) { return this.#all.find((one) => !one.track && one.kind === kind && !one.encodings) ?? null; }

  add(kind, encodings) {
    const sendEncodings = encodings ? { sendEncodings: encodings } : {};
    const transceiver = this.#pc.addTransceiver(kind, { direction: "sendonly", ...sendEncodings });
    if (encodings && transceiver.setHeaderExtensionsToNegotiate) {
      // Chromium offers no extension that earlier sections went without, unless told to.
      const wanted = transceiver.getHeaderExtensionsToNegotiate();
      for (const one of wanted) if ([MID, RID, REPAIRED_RID].includes(one.uri)) one.direction = "sendrecv";
      transceiver.setHeaderExtensionsToNegotiate(wanted);
    }
    const slot = new Slot(transceiver, encodings);
    this.#all.push(slot);
    return slot;
  }

  /** Keeps a prepared sender of each kind. */
  spare() {
    for (const kind of ["audio", "video"]) if (!this.free(kind)) this.add(kind);
  }

  remove(slot) {
    slot.track = null;
    slot.transceiver.stop();
    this.#all = this.#all.filter((other) => other !== slot);
  }

  /** The prepared ones are in the sections after the first; others may have come, and some gone, before the offer was made. */
  adopt(sections) {
    this.misnumbered = sections.some(({ extensions }) => numbersDiffer(extensions));
    this.#prepared.forEach((slot, at) => this.#learn(slot, sections[at + 1]));
  }

  /** The sections as they are to be once the browser numbers header extensions as others do. */
  numbered(sections) {
    this.misnumbered = false;
    return sections.map((section, at) => {
      const own = this.#all.find(({ mid }) => mid !== null && mid === section.mid);
      return { ...section, extensions: own?.extensions ?? [], ...(at === 0 && { numbers: NUMBERS }) };
    });
  }

  learn(sections) {
    for (const slot of this.#all) {
      const section = sections.find((one) => one.mid === slot.transceiver.mid && !one.rejected);
      if (section && slot.transceiver.mid !== null) this.#learn(slot, section);
    }
  }

  #learn(slot, section) {
    slot.learn(this.misnumbered ? { ...section, extensions: numbered(section.extensions) } : section);
  }

  /** What the browser has not described by now it will not describe. */
  fail(error) {
    for (const slot of this.#all) if (slot.mid === null) slot.error = error;
  }

  /** Waits until the browser has described it; `alive` throws when that is too late. */
  async described(slot, alive) {
    while (slot.mid === null) {
      alive();
      if (slot.error) throw slot.error;
      await pause(2);
    }
  }
}
