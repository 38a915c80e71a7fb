// One stream, or one user without any: picture, name, and what can be done with it.
import { element } from "../../page/dom.js";
import { face, icon, nameOf, signButton } from "./people.js";

const FIRST = 1_000; // ms until a stream is shown of which no picture came, if none comes of the one before or nobody sees it

export class Tile {
  #video = null;
  #next = null; // the element of a stream that is shown with its first picture
  #label;
  #signs;
  #user;
  #stream = null;

  /** `host` has `aside(tile)`, `silence(tile)` for others' tiles, and says `screen` and `mine`. */
  constructor(key, user, { mine = false, screen = false, aside, silence, record, snap }) {
    Object.assign(this, { key, mine, screen });
    this.#user = user;
    this.#label = element("span", { className: "name" });
    this.#signs = element("span", { className: "signs" });
    this.root = element("div", { className: `tile${mine ? " own" : ""}${screen ? " screen" : " person"}` });
    this.root.dataset.userid = user.userid;
    const buttons = element("div", { className: "do" });
    if (!mine && silence) {
      this.silencer = signButton("sound", "", () => silence(this), { className: "silence" });
      buttons.append(this.silencer);
    }
    if (record) {
      this.recorder = signButton("rec", "", () => record(this), { className: "record" });
      buttons.append(this.recorder);
    }
    if (snap) buttons.append(signButton("snap", "", () => snap(this), { className: "snap" }));
    if (document.fullscreenEnabled) buttons.append(signButton("full", "", () => this.#fullscreen(), { className: "fill" }));
    if (aside) buttons.append(signButton("small", "", () => aside(this), { className: "aside" }));
    this.root.append(face(user), element("div", { className: "label" }, this.#label, this.#signs), buttons);
    this.name(user);
  }

  get user() { return this.#user; }
  get video() { return this.#video; }
  get stream() { return this.#stream; }

  name(user) {
    this.#user = user;
    const name = nameOf(user);
    const shown = this.mine ? (this.screen ? "Your screen" : `${name} (you)`) : this.screen ? `${name}'s screen` : name;
    this.#label.textContent = shown;
    const was = this.root.querySelector(":scope > .face");
    was.replaceWith(face(user));
    for (const [selector, words] of [[".record", "record"], [".snap", "take a picture"], [".fill", "full screen"], [".aside", "put aside"]]) {
      const button = this.root.querySelector(selector);
      if (button) button.title = button.ariaLabel = `${shown}: ${words}`;
    }
    this.#sayMuted();
  }

  /** Shows this stream, or none. */
  show(stream) {
    this.#stream = stream;
    if (this.#next && this.#next.srcObject !== stream) this.#drop(this.#next);
    if (!stream) {
      this.#drop(this.#video);
      return this.follow();
    }
    if (!this.#video) {
      this.#video = this.#make();
      this.root.prepend(this.#video);
    }
    if (this.#video.srcObject === stream || this.#next) return this.play();
    const moves = this.#video.srcObject && this.root.matches(".picture") && stream.getVideoTracks().length;
    if (moves) this.#change(stream);
    else this.#video.srcObject = stream;
    return this.play();
  }

  #make() {
    const video = element("video", { autoplay: true, playsInline: true, muted: true });
    video.setAttribute("aria-label", this.#label.textContent);
    for (const event of ["resize", "loadeddata", "playing"]) video.addEventListener(event, () => this.follow());
    return video;
  }

  /** What is shown stays until the first picture of another stream, which lies over it; without one, as long as it moves itself. */
  #change(stream) {
    const next = this.#make();
    this.#next = next;
    next.srcObject = stream;
    this.#video.after(next);
    const take = () => {
      if (this.#next !== next) return;
      this.#next = null;
      this.#drop(this.#video);
      this.#video = next;
      this.follow();
    };
    next.requestVideoFrameCallback?.(take);
    const before = this.#video;
    let moves = false;
    const moved = () => {
      moves = true;
      if (this.#next === next) before.requestVideoFrameCallback(moved);
    };
    before.requestVideoFrameCallback?.(moved);
    const look = () => {
      if (this.#next !== next) return;
      if (document.hidden || !moves) return void take();
      moves = false;
      setTimeout(look, FIRST);
    };
    setTimeout(look, FIRST);
  }

  #drop(video) {
    if (!video) return;
    video.srcObject = null;
    video.remove();
    if (this.#next === video) this.#next = null;
    if (this.#video === video) this.#video = null;
  }

  /** A picture where there is one that is not muted. */
  follow(muted = this.muted ?? []) {
    this.muted = muted;
    const tracks = this.#stream?.getVideoTracks() ?? [];
    const filmed = tracks.some((track) => track.readyState === "live" && (this.mine ? track.enabled : true));
    this.root.classList.toggle("picture", filmed && !muted.includes("video") && (this.#video?.videoWidth ?? 0) > 0);
  }

  /** One that was moved has stopped. */
  play() { for (const video of [this.#video, this.#next]) video?.play().catch(() => {}); }

  /** What the signs beside the name say. */
  signs({ owner, mic, hand, away }) {
    const wanted = [
      away && ["ring", "is being reached"], owner && ["crown", "owner"], hand && ["hand", "hand is raised"],
      mic === false && ["mic-off", "microphone is off"],
    ].filter(Boolean);
    const told = JSON.stringify(wanted);
    if (this.#signs.dataset.told === told) return;
    this.#signs.dataset.told = told;
    this.#signs.replaceChildren(...wanted.map(([name, words]) => element("span", { className: name, title: words }, icon(name), element("span", { className: "unseen", textContent: words }))));
    this.root.classList.toggle("hand", Boolean(hand));
    this.root.classList.toggle("away", Boolean(away));
  }

  /** Whether this side has silenced it. */
  silenced(on) {
    if (!this.silencer) return;
    this.silencer.setAttribute("aria-pressed", String(on));
    this.silencer.replaceChildren(icon(on ? "sound-off" : "sound"));
    this.#sayMuted();
  }

  #sayMuted() {
    if (!this.silencer) return;
    const on = this.silencer.getAttribute("aria-pressed") === "true";
    this.silencer.title = this.silencer.ariaLabel = `${this.#label.textContent}: ${on ? "hear again" : "silence for you"}`;
  }

  get shown() { return this.#label.textContent; }

  recorded(on) { this.recorder?.setAttribute("aria-pressed", String(on)); }

  #fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen().catch(() => {});
  }

  remove() {
    this.show(null);
    this.root.remove();
  }
}
