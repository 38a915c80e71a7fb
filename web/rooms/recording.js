// A stream into a file, as the browser encodes it.
import { Target } from "../ortc/events.js";
import { fail } from "./errors.js";

const FILM = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
const SOUND = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const SLICE = 1000; // ms
const MOST = 2 * 1024 ** 3; // bytes

/** `bytes` so far; the event `change` each second and at the end; `result` resolves with `{ blob, recordingType, duration }`, in s. */
export class Recording extends Target {
  #recorder;
  #parts = [];
  #begun = performance.now();
  #duration = null;
  bytes = 0;

  constructor(stream, { audio = true, video = true } = {}) {
    super(["change"]);
    const tracks = stream.getTracks().filter(({ kind, readyState }) => readyState === "live" && (kind === "audio" ? audio : video));
    if (!tracks.length) throw fail("nothingToRecord", "the stream has nothing of this kind");
    const types = tracks.some(({ kind }) => kind === "video") ? FILM : SOUND;
    const mimeType = types.find((type) => globalThis.MediaRecorder?.isTypeSupported(type));
    if (!mimeType) throw fail("unavailable", "this browser records nothing");
    // Tracks that come or go end a recorder: it has a stream of its own.
    this.#recorder = new MediaRecorder(new MediaStream(tracks), { mimeType });
    this.recordingType = mimeType.split(";")[0];
    this.result = new Promise((resolve, reject) => {
      this.#recorder.onstop = () => {
        this.#duration ??= (performance.now() - this.#begun) / 1000;
        resolve({ blob: new Blob(this.#parts, { type: this.recordingType }), recordingType: this.recordingType, duration: this.#duration });
        this._emit("change");
      };
      this.#recorder.onerror = ({ error }) => reject(fail("unavailable", error?.message ?? "the browser stopped recording"));
    });
    this.result.catch(() => {});
    this.#recorder.ondataavailable = ({ data }) => {
      this.bytes += data.size;
      this.#parts.push(data);
      if (this.bytes > MOST) this.stop();
      this._emit("change");
    };
    this.#recorder.start(SLICE);
  }

  get running() { return this.#recorder.state !== "inactive"; }
  /** s */
  get duration() { return this.#duration ?? (performance.now() - this.#begun) / 1000; }

  stop() {
    if (this.running) {
      this.#duration = this.duration;
      this.#recorder.stop();
    }
    return this.result;
  }
}

/** What streams have in common: one recording at a time. */
export class Recordable {
  #recording = null;

  get recording() { return this.#recording?.running ? this.#recording : null; }

  /** `{ audio, video }`: both where none is named. */
  startRecording(which = {}) {
    if (this.recording) throw fail("busy", "it is being recorded already");
    const some = which.audio || which.video;
    this.#recording = new Recording(this.stream, some ? { audio: Boolean(which.audio), video: Boolean(which.video) } : {});
    return this.#recording;
  }

  /** Resolves with `{ blob, recordingType, duration }`; null where nothing was recorded. */
  async stopRecording(done) {
    const result = (await this.#recording?.stop()) ?? null;
    if (result) done?.(result.blob, result);
    return result;
  }
}
