// One stream: its picture, its name and its figures.
import { element } from "./dom.js";

const HISTORY = 40; // points of the curve

export class Tile {
  #video;
  #facts = element("dl");
  #spark;
  #history = [];
  #last = null;
  #silent = false;

  constructor(name, stream, mine = false) {
    this.stream = stream;
    this.#video = element("video", { autoplay: true, playsInline: true, muted: mine, srcObject: stream });
    this.#spark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [key, value] of Object.entries({ class: "spark", viewBox: "0 0 104 32", preserveAspectRatio: "none", "aria-hidden": "true" })) this.#spark.setAttribute(key, value);
    this.root = element(
      "div", { className: `tile${mine ? " own fill" : ""}` },
      element("div", { className: "face", textContent: name[0], ariaHidden: "true" }),
      this.#video,
      element("span", { className: "name", textContent: name }),
      element("div", { className: "facts" }, this.#facts, this.#spark),
    );
    for (const event of ["resize", "loadeddata", "playing"]) this.#video.addEventListener(event, () => this.follow());
    for (const event of ["addtrack", "removetrack"]) stream.addEventListener(event, () => this.follow());
    this.#play();
  }

  /** Shows a picture where there is one. Tracks that this page adds or removes fire no event: it must say so. */
  follow() {
    const filmed = this.stream.getVideoTracks().some((track) => track.readyState === "live");
    this.root.classList.toggle("picture", filmed && this.#video.videoWidth > 0);
  }

  /** Without a gesture a browser may play silent pictures only; the first gesture brings the sound. */
  #play() {
    this.#video.play().catch(({ name }) => {
      if (name !== "NotAllowedError" || this.#silent) return;
      this.#silent = this.#video.muted = true;
      this.root.classList.add("silent");
      const sound = () => {
        this.#video.muted = false;
        this.root.classList.remove("silent");
        this.#play();
      };
      for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, sound, { once: true });
      this.#video.play().catch(() => {});
    });
  }

  remove() {
    this.#video.srcObject = null;
    this.root.remove();
  }

  /** Forgets its figures: they are of a connection that is gone. */
  blank() {
    this.#facts.replaceChildren();
    this.#spark.replaceChildren();
    this.#history = [];
    this.#last = null;
  }

  /** Takes the statistics of this stream's sources. */
  update(rows, transport) {
    this.follow();
    const video = rows.find((row) => row.kind === "video" && row.codec !== "rtx");
    const audio = rows.find((row) => row.kind === "audio");
    const sum = (value) => rows.reduce((sum, row) => sum + Math.max(0, value(row) ?? 0), 0);
    const bytes = sum((row) => row.bytesReceived ?? row.bytesSent);
    const lost = sum((row) => row.packetsLost ?? row.remotePacketsLost);
    const packets = sum((row) => row.packetsReceived ?? row.packetsSent);
    const now = performance.now();
    const last = this.#last;
    const rate = last && bytes >= last.bytes ? ((bytes - last.bytes) * 8) / (now - last.now) : 0;
    this.#last = { bytes, now };
    this.#history = [...this.#history, rate].slice(-HISTORY);
    const facts = {
      codec: [video?.codec, audio?.codec].filter(Boolean).join(" + ") || "–",
      ...(video?.frameWidth && { size: `${video.frameWidth}×${video.frameHeight} · ${Math.round(video.framesPerSecond ?? 0)} fps` }),
      rate: rate >= 1000 ? `${(rate / 1000).toFixed(2)} Mb/s` : `${Math.round(rate)} kb/s`,
      loss: `${((100 * lost) / Math.max(1, packets + lost)).toFixed(1)} %`,
      rtt: transport.currentRoundTripTime === null ? "–" : `${Math.round(transport.currentRoundTripTime * 1000)} ms`,
      path: transport.path ? `${transport.path.local} → ${transport.path.remote}` : "–",
    };
    this.#facts.replaceChildren(...Object.entries(facts).map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value }))));
    this.#draw();
  }

  #draw() {
    const top = Math.max(100, ...this.#history) * 1.1;
    const points = this.#history.map((value, at) => `${((at + HISTORY - this.#history.length) * 104) / (HISTORY - 1)},${(31 - (value / top) * 30).toFixed(1)}`);
    const first = points[0].split(",")[0];
    this.#spark.innerHTML = `<polygon class="area" points="${first},32 ${points.join(" ")} 104,32"/><polyline points="${points.join(" ")}"/>`;
  }
}
