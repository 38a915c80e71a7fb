// How one track is sent on one connection.
import { native, told } from "./capabilities.js";
import { draftName, isHelper, readCodec, sameCodec } from "./codecs.js";
import { copy, fail, list, word } from "./tools.js";

export class RTCTrack {
  #owner;
  #slot;
  #msid;
  #codecs = null;
  #attributes = null;
  #headers = null;
  #started;
  #removed = false;
  #source;

  constructor(owner, slot, source, msid, started) {
    this.#owner = owner;
    this.#source = source;
    this.#msid = msid;
    this.#started = started;
    this.#take(slot);
  }

  #take(slot) {
    this.#slot = slot;
    slot.track = this;
    if (this.#started) slot.sender.replaceTrack(this.#source).catch((error) => this.#owner.failed(error));
  }

  #alive() {
    if (this.#removed) throw fail("InvalidStateError", "the track is removed");
    this.#owner.alive();
  }

  get source() { return this.#source; }
  get kind() { return this.#slot.kind; }
  /** null until the browser has chosen it; see `ready`. */
  get ssrc() { return this.#slot.ssrc ?? null; }
  get msid() { return [...this.#msid]; }
  set msid(ids) {
    this.#alive();
    this.#msid = list(ids).map((id) => word(id, "msid"));
  }

  /** Resolves once `getDescription` has an answer, which is mostly at once. */
  get ready() { return this.#owner.ready.then(() => this.#owner.described(this.#slot)).then(() => this); }

  /** In order of preference: the first one that the browser supports is sent. */
  get codecs() {
    const dtmf = (codec) => draftName(codec.name) === "dtmf";
    const all = this.#codecs ?? this.#slot.codecs ?? [];
    // The draft has digits in a description only once there is a DTMF track.
    return copy(this._dtmf ? all : all.filter((codec) => !dtmf(codec)));
  }
  set codecs(codecs) {
    this.#alive();
    const read = list(codecs).map(readCodec);
    const usable = read.filter((codec) => native[this.kind].some((own) => sameCodec(own, codec)) && !isHelper(codec));
    if (!usable.length) throw fail("NotSupportedError", "none of the codecs can be sent");
    if (new Set(read.map((codec) => codec["payload-id"])).size < read.length) {
      throw fail("InvalidAccessError", "a payload-id is used twice");
    }
    const digits = (this.#slot.codecs ?? []).filter((codec) => draftName(codec.name) === "dtmf");
    const known = new Set(read.map((codec) => codec["payload-id"]));
    this.#codecs = [...read, ...digits.filter((codec) => !known.has(codec["payload-id"]))];
    this.#owner.changed();
  }

  /** Puts the codec of this name first; payload ids stay. `red` before opus: each packet carries the one before it. */
  prefer(name) {
    const wanted = draftName(name);
    const codecs = this.codecs;
    if (wanted === "red" && this.kind === "audio" && !codecs.some((codec) => draftName(codec.name) === wanted)) {
      codecs.push(...told(native.audio, [wanted]).filter((codec) => codec.name === wanted));
    }
    if (!codecs.some((codec) => draftName(codec.name) === wanted)) {
      throw fail("NotSupportedError", `this browser does not send ${wanted}`);
    }
    const rank = (codec) => (draftName(codec.name) === wanted ? 0 : 1);
    this.codecs = codecs.sort((a, b) => rank(a) - rank(b));
  }

  get mediaAttributes() { return copy(this.#attributes); }
  set mediaAttributes(attributes) {
    this.#alive();
    const read = attributes === null || attributes === undefined ? null : copy(list(attributes));
    this.#attributes = read;
    const rids = (read ?? []).map((one) => one.rid).filter(Boolean);
    if (rids.length > 1 && rids.join() !== (this.#slot.encodings ?? []).map((one) => one.rid).join()) {
      const old = this.#slot;
      this.#take(this.#owner.slot(this.kind, this.#encodings()));
      this.#owner.release(old);
    } else {
      this.#limit();
    }
  }

  #encodings() {
    const settings = this.#source.getSettings?.() ?? {};
    return (this.#attributes ?? []).map((one) => {
      const encoding = { active: one.active ?? true };
      if (one.rid) encoding.rid = word(one.rid, "rid");
      if (one.maxBitrate !== undefined) encoding.maxBitrate = Number(one.maxBitrate);
      if (this.kind === "audio") return encoding;
      if (one.maxFramerate !== undefined) encoding.maxFramerate = Number(one.maxFramerate);
      if (one.scalabilityMode) encoding.scalabilityMode = one.scalabilityMode;
      const scale = Math.max(
        1,
        Number(one.resolutionScale ?? 1),
        one.videoMaxWidth && settings.width ? settings.width / one.videoMaxWidth : 1,
        one.videoMaxHeight && settings.height ? settings.height / one.videoMaxHeight : 1,
      );
      encoding.scaleResolutionDownBy = scale;
      return encoding;
    });
  }

  #limit() {
    const { sender } = this.#slot;
    const parameters = sender.getParameters();
    const wanted = this.#encodings();
    (parameters.encodings ?? []).forEach((encoding, at) => {
      for (const name of ["maxBitrate", "maxFramerate", "scaleResolutionDownBy", "scalabilityMode"]) delete encoding[name];
      const { rid: _, ...limits } = wanted[at] ?? { active: true };
      Object.assign(encoding, limits);
    });
    sender.setParameters(parameters).catch((error) => this.#owner.failed(error));
  }

  /** Signalled only: a page cannot put header extensions into packets. */
  get rtpExtHeaders() { return copy(this.#headers); }
  set rtpExtHeaders(headers) {
    this.#alive();
    this.#headers = headers ? copy(headers) : null;
  }

  /** A snapshot for signalling. */
  getDescription() {
    this.#alive();
    const slot = this.#slot;
    if (slot.mid === null) throw fail("InvalidStateError", "the browser has not described the track yet: await track.ready");
    const description = { kind: this.kind };
    if (slot.ssrc) description.ssrc = slot.ssrc;
    description.msid = [...this.#msid];
    description.codecs = this.codecs;
    if (this.#attributes) description.mediaAttributes = copy(this.#attributes);
    if (this.#headers) description.rtpExtHeaders = copy(this.#headers);
    if (slot.extensions.length) description.headerExtensions = copy(slot.extensions);
    if (slot.encodings) {
      description.encodings = slot.encodings.map(({ rid, maxBitrate, scaleResolutionDownBy }) => ({
        rid,
        ...(maxBitrate && { maxBitrate }),
        ...(scaleResolutionDownBy && { resolutionScale: scaleResolutionDownBy }),
      }));
      description.muxId = slot.mid;
    }
    if (slot.rtx) description.rtx = { ssrc: slot.rtx };
    description.rtcp = { reducedSize: true };
    if (slot.cname) description.cname = slot.cname;
    return description;
  }

  toJSON() { return this.getDescription(); }

  /** Whether the track is started. */
  get started() { return this.#started; }

  start() {
    this.#alive();
    this.#started = true;
    this.#slot.sender.replaceTrack(this.#source).catch((error) => this.#owner.failed(error));
  }

  /** Stops sending, without BYE; `start` goes on with the same SSRC. */
  stop() {
    this.#alive();
    this.#started = false;
    this.#slot.sender.replaceTrack(null).catch((error) => this.#owner.failed(error));
  }

  /** Sends another source of the same kind in its place, e.g. another camera. */
  replaceSource(source) {
    this.#alive();
    if (source.kind !== this.kind) throw fail("InvalidAccessError", `the track is of kind ${this.kind}`);
    this.#source = source;
    return this.#started ? this.#slot.sender.replaceTrack(source) : Promise.resolve();
  }

  /** Removes the track from the connection; its stream is unchanged. */
  remove() {
    this.#alive();
    this.#removed = true;
    this.#owner.release(this.#slot);
  }

  /** The browser's sender, for what this API does not cover. */
  get sender() { return this.#slot.sender; }
  get _slot() { return this.#slot; }
  get _sent() { return this.#codecs ?? this.#slot.codecs ?? []; }
}
