// Telephone digits.
import { Target } from "./events.js";
import { fail, pause } from "./tools.js";

export const attachedDtmf = new WeakMap(); // MediaStream -> DTMF tracks

const DIGITS = /^[0-9A-D#*,]$/;
const DEFAULT_DURATION = 100;
const DEFAULT_GAP = 70;
const COMMA = 2000;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A track of kind "dtmf": digits played on the audio track that it is attached to. */
export class DTMFMediaStreamTrack extends Target {
  #track = null;
  #queue = [];
  #playing = false;
  #held = null;

  constructor() {
    super(["tonestart", "tonestop", "tone"]);
    this.kind = "dtmf";
    this.id = crypto.randomUUID();
    this.readyState = "live";
  }

  _attach(track) {
    this.#track = track;
    this.#run();
  }

  /** Appends a string of digits, a tone, or a list of tones. */
  play(tones) {
    const read = (Array.isArray(tones) ? tones : [tones]).flatMap((tone) => {
      const { digits, duration, interToneGap } = typeof tone === "string" ? { digits: tone } : tone;
      return [...String(digits).toUpperCase()].map((digit) => {
        if (!DIGITS.test(digit)) throw fail("InvalidCharacterError", `${digit} is no digit`);
        return {
          digit,
          duration: clamp(duration ?? DEFAULT_DURATION, 40, 6000),
          interToneGap: clamp(interToneGap ?? DEFAULT_GAP, 30, 6000),
        };
      });
    });
    if (this.#queue.length + read.length > 1000) throw fail("InvalidStateError", "too many digits wait");
    this.#queue.push(...read);
    this.#run();
  }

  /** Drops what waits. A browser cannot cut the tone that sounds; it ends by itself. */
  flush() {
    this.#queue = [];
    this.#held = null;
    try {
      this.#track?.sender.dtmf?.insertDTMF("");
    } catch {
      // Not connected: there is nothing to stop.
    }
  }

  /** A key is pressed. A browser must know a tone's length beforehand: it sounds at `tonestop`. */
  tonestart(digit) {
    const key = String(digit).toUpperCase();
    if (!DIGITS.test(key) || key === ",") throw fail("InvalidCharacterError", `${digit} is no digit`);
    this.#held = { key, since: performance.now() };
  }

  /** The key is released. */
  tonestop() {
    if (!this.#held) return;
    const { key, since } = this.#held;
    this.#held = null;
    this.play({ digits: key, duration: Math.round(performance.now() - since) });
  }

  #run() {
    if (this.#playing || !this.#track || !this.#queue.length) return;
    this.#playing = true;
    this.#render().catch(() => { this.#queue = []; }).then(() => {
      this.#playing = false;
      this.#run();
    });
  }

  async #render() {
    while (this.#queue.length && this.#track) {
      const { dtmf } = this.#track.sender;
      if (!dtmf?.canInsertDTMF) {
        await pause(20);
        if (!this.#track.sender.transport || this.#track.sender.transport.state !== "closed") continue;
        this.#queue = [];
        return;
      }
      const { digit, duration, interToneGap } = this.#queue.shift();
      if (digit === ",") {
        await pause(COMMA);
        continue;
      }
      const begun = new Promise((resolve) => {
        dtmf.ontonechange = ({ tone }) => tone && resolve(true);
        setTimeout(resolve, 1000);
      });
      dtmf.insertDTMF(digit, duration, interToneGap);
      if (!(await begun)) continue;
      const start = performance.now();
      this._emit("tonestart", { digit });
      await pause(duration);
      this._emit("tonestop", { digit });
      this._emit("tone", { tone: { digits: digit, duration: Math.round(performance.now() - start), interToneGap } });
      await pause(interToneGap);
    }
  }
}
