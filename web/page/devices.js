// Camera and microphone of this side. Whatever shows, mutes or sends them follows `change` and
// reads what is there then, so that it is right in every order of events: a permission that comes
// late, a device that ends, one that takes the place of another.

export const KINDS = ["audio", "video"];
const ASKED = { audio: true, video: { width: { ideal: 1280 }, height: { ideal: 720 } } };

const failure = (name) => Object.assign(new Error(""), { name });

/** One kind: what is wanted of it and what there is. */
class Device {
  wanted = false;
  muted = false;
  asking = false;
  error = null;
  track = null;
  id = ""; // of the device that was chosen
  stale = false; // another was chosen since
}

class Devices extends EventTarget {
  #devices = { audio: new Device(), video: new Device() };
  #running = false;

  /** absent, asking, live, muted (by this page), or silenced (by the browser or the device). */
  state(kind) {
    const { asking, track } = this.#devices[kind];
    if (asking) return "asking";
    if (!track) return "absent";
    if (!track.enabled) return "muted";
    return track.muted ? "silenced" : "live";
  }

  wanted(kind) { return this.#devices[kind].wanted; }

  /** What is there to be sent. */
  get tracks() { return KINDS.map((kind) => this.#devices[kind].track).filter(Boolean); }

  /** What failed, as pairs of an error and the kinds that it struck. */
  get failures() {
    const found = new Map();
    for (const kind of KINDS) {
      const { error } = this.#devices[kind];
      if (error) found.set(error.name, [error, [...(found.get(error.name)?.[1] ?? []), kind]]);
    }
    return [...found.values()];
  }

  want(kind, wanted = true) {
    Object.assign(this.#devices[kind], { wanted, error: null });
    this.#run();
  }

  chosen(kind) { return this.#devices[kind].id || this.#devices[kind].track?.getSettings().deviceId || ""; }

  /** Takes this device from now on. */
  choose(kind, id) {
    Object.assign(this.#devices[kind], { id, stale: true, wanted: true, error: null });
    this.#run();
  }

  /** Asks once more for what failed. */
  retry() {
    for (const kind of KINDS) this.#devices[kind].error = null;
    this.#run();
  }

  /** Goes on without what failed. */
  resign() {
    for (const kind of KINDS) {
      const device = this.#devices[kind];
      if (device.error) Object.assign(device, { wanted: false, error: null });
    }
    this.#changed();
  }

  mute(kind, muted) {
    const device = this.#devices[kind];
    device.muted = muted;
    if (device.track) device.track.enabled = !muted;
    this.#changed();
  }

  #changed() { this.dispatchEvent(new Event("change")); }

  /** Brings what there is in line with what is wanted, one question to the user at a time. */
  async #run() {
    this.#changed();
    if (this.#running) return;
    this.#running = true;
    await null; // What is wanted in a row is one question.
    for (;;) {
      for (const kind of KINDS) if (!this.#devices[kind].wanted) this.#take(kind, null);
      const missing = KINDS.filter((kind) => this.#missing(this.#devices[kind]));
      if (!missing.length) break;
      for (const kind of missing) Object.assign(this.#devices[kind], { asking: true, stale: false });
      this.#changed();
      const got = await ask(missing, Object.fromEntries(missing.map((kind) => [kind, this.#devices[kind].id])));
      for (const kind of missing) {
        this.#devices[kind].asking = false;
        if (got[kind] instanceof MediaStreamTrack) this.#take(kind, got[kind]);
        else {
          this.#take(kind, null);
          this.#devices[kind].error = got[kind];
        }
      }
      this.#changed();
    }
    this.#running = false;
    this.#changed();
  }

  #missing({ wanted, error, track, stale }) { return wanted && !error && (stale || track?.readyState !== "live"); }

  #take(kind, track) {
    const device = this.#devices[kind];
    if (device.track === track) return;
    device.track?.stop();
    device.track = track;
    if (!track) return;
    track.enabled = !device.muted;
    track.addEventListener("mute", () => this.#changed());
    track.addEventListener("unmute", () => this.#changed());
    track.addEventListener("ended", () => this.#ended(kind, track), { once: true });
  }

  /** Another device takes the place of one that was unplugged; else the user must know. */
  async #ended(kind, track) {
    const device = this.#devices[kind];
    if (device.track !== track) return;
    const there = (await navigator.mediaDevices.enumerateDevices().catch(() => [])).filter((one) => one.kind === `${kind}input`);
    if (device.track !== track) return;
    const unplugged = there.length > 0 && !there.some((one) => one.deviceId === track.getSettings().deviceId);
    if (unplugged) device.id = "";
    else {
      this.#take(kind, null);
      device.error = failure("Ended");
    }
    this.#run();
  }
}

/** A track or an error for each kind. */
async function ask(kinds, ids = {}) {
  const constraint = (kind) => (ids[kind] ? { ...(kind === "video" && ASKED.video), deviceId: { exact: ids[kind] } } : ASKED[kind]);
  const each = (value) => Object.fromEntries(kinds.map((kind) => [kind, value(kind)]));
  if (!window.isSecureContext) return each(() => failure("InsecureContext"));
  if (!navigator.mediaDevices?.getUserMedia) return each(() => failure("NotSupported"));
  try {
    const stream = await navigator.mediaDevices.getUserMedia(each(constraint));
    const tracks = stream.getTracks();
    return each((kind) => tracks.find((track) => track.kind === kind) ?? failure("NotFoundError"));
  } catch (error) {
    const found = each(() => error);
    // One that is missing must not take the other along, and who has said no is not asked again.
    for (const kind of kinds.length > 1 ? kinds : []) {
      if (error.name !== "NotAllowedError" || (await allowed(kind))) Object.assign(found, await ask([kind], ids));
    }
    return found;
  }
}

async function allowed(kind) {
  const name = { audio: "microphone", video: "camera" }[kind];
  const answer = await navigator.permissions?.query({ name }).catch(() => null);
  return answer?.state === "granted";
}

export const devices = new Devices();
