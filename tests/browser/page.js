// In the page: a caller over any signalling, and eyes and ears for what comes.
import * as ortc from "/ortc.js";

const { RTCConnection } = ortc;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `look` gives something truthy. */
async function until(look, what, ms = 20000) {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await pause(20);
  }
}

/** Signalling by BroadcastChannel; all of it is kept. */
function tabs(name) {
  const channel = new BroadcastChannel(name);
  const wire = { sent: [], hear: null, close: () => channel.close() };
  wire.send = (text) => {
    wire.sent.push(text);
    channel.postMessage(text);
  };
  channel.onmessage = ({ data }) => wire.hear?.(data);
  return wire;
}

/** Signalling by WebSocket. */
async function socket(url) {
  const channel = new WebSocket(url);
  const early = [];
  const wire = { sent: [], close: () => channel.close(), send: (text) => channel.send(text) };
  channel.onmessage = ({ data }) => early.push(data);
  await new Promise((resolve, reject) => Object.assign(channel, { onopen: resolve, onerror: () => reject(new Error("no WebSocket")) }));
  Object.defineProperty(wire, "hear", {
    set: (hear) => {
      channel.onmessage = ({ data }) => hear(data);
      early.splice(0).forEach(hear);
    },
  });
  return wire;
}

/** A connection and what it shows. */
class Caller {
  constructor(wire, options = {}) {
    this.wire = wire;
    this.connection = new RTCConnection(options);
    this.events = [];
    this.early = [];
    this.videos = new Map(); // stream id -> element
    this.firstFrame = new Map();
    this.begin = performance.now();
    const { connection } = this;
    for (const name of ["connected", "disconnected", "addstream", "removestream", "activecandidate", "endofcandidates", "localchange", "datachannel", "error"]) {
      connection.addEventListener(name, (event) => this.events.push({ name, at: performance.now() - this.begin, reason: event.reason, error: event.error?.message }));
    }
    connection.oncandidate = ({ candidate }) => {
      connection.setLocalCandidate(candidate);
      this.say({ candidate });
    };
    connection.onlocalchange = ({ local }) => this.say({ iceInfo: local });
    connection.onaddstream = ({ stream }) => this.show(stream);
    connection.onremovestream = ({ stream }) => {
      this.videos.get(stream.id)?.remove();
      this.videos.delete(stream.id);
    };
    connection.ondatachannel = ({ channel }) => this.channel(channel);
    wire.hear = (text) => this.hear(JSON.parse(text));
  }

  /** Nothing is said before `introduce`: nobody may be there to hear it. */
  say(message) {
    if (this.introduced) this.wire.send(JSON.stringify(message));
    else this.early.push(message);
  }

  hear(message) {
    const { connection } = this;
    if (connection.state === "closed") return;
    if (message.iceInfo) {
      connection.setRemote(message.iceInfo);
      connection.connect();
    }
    if (message.candidate) connection.setRemoteCandidate(message.candidate);
    if (message.track) connection.receiveTrack(message.track);
    if (message.gone) connection.stopReceiving(message.gone);
  }

  async introduce() {
    if (this.introduced) return;
    await this.connection.ready;
    this.introduced = true;
    this.say({ iceInfo: this.connection.local });
    this.early.splice(0).forEach((message) => this.say(message));
  }

  add(stream) {
    const tracks = this.connection.addStream(stream);
    for (const track of tracks) this.describe(track);
    return tracks;
  }

  async describe(track) {
    await track.ready;
    this.say({ track: track.getDescription() });
  }

  remove(track) {
    const { ssrc } = track;
    track.remove();
    this.say({ gone: ssrc });
  }

  show(stream) {
    const video = Object.assign(document.createElement("video"), { muted: true, autoplay: true, playsInline: true, srcObject: stream });
    video.requestVideoFrameCallback(() => this.firstFrame.set(stream.id, performance.now() - this.begin));
    document.body.append(video);
    this.videos.set(stream.id, video);
    stream.onconnected = () => this.events.push({ name: "stream connected", id: stream.id });
  }

  /** What is known when something does not come. */
  async report() {
    const { connection } = this;
    return JSON.stringify({ state: connection.state, events: this.events, stats: await connection.stats() });
  }

  channel(channel) {
    this.data = channel;
    this.heard = [];
    channel.onmessage = ({ data }) => this.heard.push(data);
  }

  /** The video elements that show a picture. */
  async pictures(count, ms) {
    return until(() => {
      const shown = [...this.videos.values()].filter((video) => video.videoWidth > 0);
      return shown.length >= count && shown;
    }, `${count} pictures`, ms).catch(async (error) => {
      throw new Error(`${error.message}: ${await this.report()}`);
    });
  }

  close() {
    this.connection.close();
    this.wire.close();
    for (const video of this.videos.values()) video.remove();
  }
}

/** What a small canvas of the picture holds. */
function look(video) {
  const canvas = new OffscreenCanvas(64, 48);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, 64, 48);
  return context.getImageData(0, 0, 64, 48).data;
}

const differs = (a, b) => a.reduce((count, value, at) => count + (Math.abs(value - b[at]) > 16 ? 1 : 0), 0);

/** Frames that were presented since the first question. */
function frames(video) {
  if (video.presented === undefined) {
    video.presented = 0;
    const count = () => {
      video.presented++;
      video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
  }
  return video.presented;
}

/** Whether decoded frames come and show something that moves. */
async function moves(video, ms = 20000) {
  const before = look(video);
  const presented = frames(video);
  await until(() => differs(before, look(video)) > 20 && frames(video) >= presented + 5, "a moving picture", ms);
  const pixels = look(video);
  const bright = pixels.reduce((sum, value, at) => sum + (at % 4 < 3 ? value : 0), 0) / (pixels.length * 0.75);
  return { width: video.videoWidth, height: video.videoHeight, bright };
}

/** Whether the picture is black and stays so. */
const isBlack = (video) => look(video).every((value, at) => at % 4 === 3 || value < 24);

let audioContext;
/** The strongest frequencies (Hz) and the loudness (dB) of a stream's audio. */
function ear(stream) {
  audioContext ??= new AudioContext();
  const source = audioContext.createMediaStreamSource(new MediaStream(stream.getAudioTracks()));
  const analyser = audioContext.createAnalyser();
  analyser.fftSize = 4096;
  analyser.smoothingTimeConstant = 0;
  source.connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const width = audioContext.sampleRate / analyser.fftSize;
  const at = (hertz) => Math.max(...bins.slice(Math.max(0, Math.round(hertz / width) - 1), Math.round(hertz / width) + 2));
  return {
    level: () => {
      analyser.getFloatFrequencyData(bins);
      return Math.max(...bins);
    },
    peak: () => {
      analyser.getFloatFrequencyData(bins);
      return bins.indexOf(Math.max(...bins)) * width;
    },
    /** Whether both tones of a digit stand out. */
    digit: () => {
      analyser.getFloatFrequencyData(bins);
      const rows = [697, 770, 852, 941];
      const columns = [1209, 1336, 1477, 1633];
      const best = (tones) => tones.map(at).reduce((best, value, index, all) => (value > all[best] ? index : best), 0);
      const [row, column] = [best(rows), best(columns)];
      const floor = Math.max(at(1050), at(600), at(1900));
      if (at(rows[row]) < -50 || at(columns[column]) < -50 || Math.min(at(rows[row]), at(columns[column])) < floor + 12) return null;
      return ["123A", "456B", "789C", "*0#D"][row][column];
    },
    hears: (ms = 15000) => until(() => (analyser.getFloatFrequencyData(bins), Math.max(...bins) > -60), "a sound", ms),
  };
}

const media = (wanted = { audio: true, video: { width: 320, height: 240, frameRate: 20 } }) => navigator.mediaDevices.getUserMedia(wanted);

/** A stream of its own: a bar that sweeps over a canvas. */
function drawing(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  let at = 0;
  const draw = () => {
    context.fillStyle = "#246";
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#fc4";
    context.fillRect((at += width / 20) % width, 0, width / 8, height);
  };
  draw();
  const timer = setInterval(draw, 50);
  const stream = canvas.captureStream(20);
  const [track] = stream.getVideoTracks();
  const stop = track.stop.bind(track);
  track.stop = () => {
    clearInterval(timer);
    stop();
  };
  return stream;
}

/** Until the statistics of the connection show what is wanted. */
async function inbound(caller, wanted, what, ms = 20000) {
  return until(async () => (await caller.connection.stats()).inboundRtp.find(wanted), what, ms);
}

Object.assign(window, { ortc, Caller, tabs, socket, until, pause, look, differs, moves, isBlack, ear, media, drawing, inbound, ready: true });
