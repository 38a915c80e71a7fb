// The page: whom to call, what comes, and what crosses. Everything about connections is in ortc.js.
import { RTCConnection, DTMFMediaStreamTrack } from "./ortc.js";

const $ = (selector, within = document) => within.querySelector(selector);
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const query = new URLSearchParams(location.search);

// ---------------------------------------------------------------------------------------------
// Camera and microphone

/** Each way in which a browser says no: what it means, and what helps. */
const TROUBLES = {
  NotAllowedError: ["The browser was not allowed to use your {things}", "Click the camera symbol in the address bar, allow it, and try again."],
  NotFoundError: ["No {things} found", "Plug one in, or join without it: you will still see and hear the others."],
  NotReadableError: ["Your {things} cannot be opened", "Another program seems to use it, or the driver has failed. Close that program and try again."],
  OverconstrainedError: ["Your {things} cannot do what was asked for", "Try again with another device, or join without."],
  SecurityError: ["The browser forbids the use of {things} here", "A policy of this page or of your device says so. Join without, or ask whoever set it."],
  AbortError: ["Your {things} could not be started", "Something went wrong in the device itself. Unplug it, plug it in and try again."],
  TypeError: ["Nothing to record was chosen", "Switch on the camera or the microphone, or join without."],
  InsecureContext: ["This page may not use your {things}", "Browsers allow it on https:// and on localhost only. Open the page there, or join without."],
  NotSupported: ["This browser cannot use {things}", "It has no getUserMedia. Use a recent Firefox, Chrome or Safari, or join without."],
};

function explain(error, wanted) {
  const things = [wanted.video && "camera", wanted.audio && "microphone"].filter(Boolean).join(" and ") || "devices";
  const [what, help] = TROUBLES[error.name] ?? [`Your ${things} did not start (${error.name})`, error.message || "Try again, or join without."];
  return [what.replace("{things}", things), help];
}

let own = null; // the stream of this side

async function record() {
  const wanted = { audio: $("#use-mic").checked, video: $("#use-camera").checked && { width: { ideal: 1280 }, height: { ideal: 720 } } };
  stop(own);
  own = null;
  if (!wanted.audio && !wanted.video) return null;
  const unsupported = (name) => Object.assign(new Error(), { name });
  try {
    if (!window.isSecureContext) throw unsupported("InsecureContext");
    if (!navigator.mediaDevices?.getUserMedia) throw unsupported("NotSupported");
    own = await navigator.mediaDevices.getUserMedia(wanted);
    $("#trouble").hidden = true;
    return own;
  } catch (error) {
    const [what, help] = explain(error, wanted);
    $("#trouble b").textContent = what;
    $("#trouble p").textContent = help;
    $("#trouble").hidden = false;
    throw error;
  }
}

const stop = (stream) => stream?.getTracks().forEach((track) => track.stop());

async function preview() {
  const stream = await record().catch(() => null);
  $("#preview").srcObject = stream;
  $(".preview .tile").classList.toggle("live", Boolean(stream?.getVideoTracks().length));
}

// ---------------------------------------------------------------------------------------------
// Signalling: three ways to carry the same JSON

/** To examples/browser_call or between two pages in a room of it. */
function byWebSocket(path) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
  const wire = { send: (text) => socket.readyState === WebSocket.OPEN && socket.send(text), close: () => socket.close(), hear: null, open: null };
  wire.ready = new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("no answer"));
  });
  const early = [];
  socket.onmessage = ({ data }) => (wire.hear ? wire.hear(data) : early.push(data));
  socket.onclose = () => wire.lost?.();
  wire.listen = (hear) => {
    wire.hear = hear;
    early.splice(0).forEach(hear);
  };
  return wire;
}

/** Between two tabs of one browser, without any server. */
function byBroadcast(name) {
  const channel = new BroadcastChannel(`ortc ${name}`);
  const wire = { send: (text) => channel.postMessage(text), close: () => { channel.postMessage('{"tab":"bye"}'); channel.close(); } };
  wire.ready = Promise.resolve();
  wire.listen = (hear) => {
    channel.onmessage = ({ data }) => {
      const { tab } = JSON.parse(data);
      if (tab === "hello") channel.postMessage('{"tab":"welcome"}');
      if (tab === "bye") return hear('{"room":"alone"}');
      hear(tab ? '{"room":"both"}' : data);
    };
    channel.postMessage('{"tab":"hello"}');
  };
  return wire;
}

// ---------------------------------------------------------------------------------------------
// The call

let call = null;

class Call {
  constructor(wire, withRust) {
    this.wire = wire;
    this.withRust = withRust;
    this.tiles = new Map();
    this.sent = 0;
    this.dtmf = null;
    this.waiting = [];
    wire.lost = () => call === this && withRust && this.leave("The connection to the server was lost.");
  }

  /** Begins, or begins again: a room may be left and entered by the other side. */
  connect() {
    this.connection?.close();
    this.clear();
    const connection = new RTCConnection({ iceServers: servers() });
    this.connection = connection;
    this.chat = null;
    this.dtmf = null;
    connection.oncandidate = ({ candidate }) => this.say({ candidate });
    connection.onlocalchange = ({ local }) => this.say({ iceInfo: local });
    connection.onaddstream = ({ stream }) => this.show(stream);
    connection.onremovestream = ({ stream }) => this.unshow(stream.id);
    connection.onstatechange = () => this.follow(connection);
    connection.ondatachannel = ({ channel }) => this.talk(channel);
    connection.onerror = ({ error }) => console.warn(error);
    if (own) this.send(own);
    connection.ready.then(() => {
      this.say({ iceInfo: connection.local });
      this.introduced = true;
      this.waiting.splice(0).forEach((message) => this.hear(message));
    });
    clock.start();
    this.follow(connection);
  }

  send(stream) {
    for (const track of this.connection.addStream(stream)) this.describe(track);
    this.ownTile();
  }

  async describe(track) {
    await track.ready;
    this.say({ track: track.getDescription() });
  }

  say(message) {
    const text = JSON.stringify(message);
    wires.add("out", text);
    this.wire.send(text);
  }

  listen() {
    this.wire.listen((text) => {
      const message = JSON.parse(text);
      if (!message.room) wires.add("in", text);
      if (this.connection && !this.introduced) this.waiting.push(message);
      else this.hear(message);
    });
  }

  hear(message) {
    const { connection } = this;
    if (message.room === "full") return this.leave("Two people are in this call already.");
    if (message.room === "both") {
      $("#invite").hidden = true;
      return this.connect();
    }
    if (message.room === "alone") {
      if (connection) note("The other side has left.");
      connection?.close();
      this.connection = null;
      this.introduced = false;
      this.clear();
      this.ownTile();
      return status("searching", "waiting");
    }
    if (!connection || connection.state === "closed") return;
    try {
      if (message.iceInfo) {
        connection.setRemote(message.iceInfo);
        connection.connect();
        // One of the two makes the channel: the one with the greater name.
        const { usernameFrag } = connection.local.ice;
        if (!this.chat && (this.withRust || usernameFrag > connection.remote.ice.usernameFrag)) this.talk(connection.createDataChannel("chat"));
      }
      if (message.candidate) connection.setRemoteCandidate(message.candidate);
      if (message.track) connection.receiveTrack(message.track).catch((error) => console.warn(error));
      if (message.gone) connection.stopReceiving(message.gone);
    } catch (error) {
      console.warn(error);
      note(`A message was refused: ${error.message}`);
    }
  }

  follow(connection) {
    if (this.connection !== connection) return;
    const words = { new: "connecting", searching: "connecting", connected: "connected", halted: "interrupted", closed: "ended" };
    status(connection.state, words[connection.state]);
    if (connection.state === "closed" && call === this && connection.reason !== "closed") {
      if (this.withRust) this.leave("The other side has ended the call.");
      else note("The connection has ended.");
    }
  }

  // -- Tiles ----------------------------------------------------------------------------------

  show(stream) {
    const count = [...this.tiles.keys()].filter((id) => id !== "own").length;
    const name = this.withRust ? ["Rust", "You, sent back"][count] ?? "Sent back" : count ? "Their second stream" : "The other side";
    const tile = new Tile(name, stream);
    this.tiles.set(stream.id, tile);
    this.place();
  }

  unshow(id) {
    this.tiles.get(id)?.remove();
    this.tiles.delete(id);
    this.place();
  }

  ownTile() {
    if (this.tiles.has("own")) return;
    this.tiles.set("own", new Tile("You", own, true));
    this.place();
  }

  clear() {
    for (const id of [...this.tiles.keys()]) this.unshow(id);
    if (call === this) this.ownTile();
  }

  place() {
    const order = [...this.tiles].sort(([a], [b]) => (a === "own") - (b === "own"));
    const grid = $("#tiles");
    order.forEach(([, tile], at) => grid.children[at] !== tile.root && grid.insertBefore(tile.root, grid.children[at] ?? null));
    grid.dataset.count = order.length;
  }

  async measure() {
    if (this.connection?.state !== "connected") return;
    const stats = await this.connection.stats();
    for (const [id, tile] of this.tiles) {
      const rows = id === "own" ? stats.outboundRtp : stats.inboundRtp.filter((row) => tile.sources(this.connection).has(row.ssrc));
      tile.update(rows, stats.transport);
    }
  }

  // -- Words and digits -----------------------------------------------------------------------

  talk(channel) {
    if (channel.label === "notes") channel.onmessage = ({ data }) => note(String(data).slice(0, 400));
    if (channel.label !== "chat") return;
    this.chat = channel;
    channel.onmessage = ({ data }) => typeof data === "string" && word(data.slice(0, 4000), "");
    channel.onopen = () => this.unsent?.splice(0).forEach((text) => channel.send(text));
  }

  write(text) {
    word(text, "mine");
    if (this.chat?.readyState === "open") this.chat.send(text);
    else (this.unsent ??= []).push(text);
  }

  dial(digit) {
    if (!this.connection) return;
    try {
      if (!this.dtmf) {
        this.dtmf = this.connection.addDtmfHandler(new DTMFMediaStreamTrack());
        // From now on the audio track can carry digits: the other side must know.
        const [track] = this.connection.tracks({ kind: "audio" });
        this.describe(track);
      }
      this.dtmf.play({ digits: digit, duration: 160, interToneGap: 80 });
      $("#dialled").textContent = ($("#dialled").textContent + digit).slice(-14);
    } catch {
      $("#dialled").textContent = "needs a microphone";
    }
  }

  leave(why) {
    if (call !== this) return;
    call = null;
    this.connection?.close();
    this.wire.close();
    for (const tile of this.tiles.values()) tile.remove();
    clock.stop();
    lobby(why);
  }
}

class Tile {
  constructor(name, stream, mine = false) {
    this.stream = stream;
    this.video = element("video", { autoplay: true, playsInline: true, muted: mine, srcObject: stream });
    this.facts = element("dl");
    this.spark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.spark.setAttribute("class", "spark");
    this.spark.setAttribute("viewBox", "0 0 104 32");
    this.spark.setAttribute("preserveAspectRatio", "none");
    this.root = element(
      "div", { className: `tile${mine ? " own fill" : ""}` },
      element("div", { className: "face", textContent: name[0] }),
      this.video,
      element("span", { className: "name", textContent: name }),
      element("div", { className: "facts" }, this.facts, this.spark),
    );
    this.history = [];
    this.video.onresize = () => this.root.classList.toggle("picture", this.video.videoWidth > 0);
    // Without a gesture a browser may play silent pictures only.
    this.video.play().catch(() => {
      this.video.muted = true;
      this.video.play().catch(() => {});
    });
  }

  remove() {
    this.video.srcObject = null;
    this.root.remove();
  }

  /** The sources of this stream. */
  sources(connection) {
    return new Set(connection.sources(this.stream).map(Number));
  }

  update(rows, transport) {
    const video = rows.find((row) => row.kind === "video" && row.codec !== "rtx");
    const audio = rows.find((row) => row.kind === "audio");
    const bytes = rows.reduce((sum, row) => sum + (row.bytesReceived ?? row.bytesSent ?? 0), 0);
    const now = performance.now();
    const rate = this.last && bytes >= this.last.bytes ? ((bytes - this.last.bytes) * 8) / (now - this.last.now) : 0;
    this.last = { bytes, now };
    this.history = [...this.history, rate].slice(-40);
    const lost = rows.reduce((sum, row) => sum + Math.max(0, row.packetsLost ?? row.remotePacketsLost ?? 0), 0);
    const packets = rows.reduce((sum, row) => sum + (row.packetsReceived ?? row.packetsSent ?? 0), 0);
    const facts = {
      codec: [video?.codec, audio?.codec].filter(Boolean).join(" + ") || "–",
      ...(video?.frameWidth && { size: `${video.frameWidth}×${video.frameHeight} · ${Math.round(video.framesPerSecond ?? 0)} fps` }),
      rate: rate >= 1000 ? `${(rate / 1000).toFixed(2)} Mb/s` : `${Math.round(rate)} kb/s`,
      loss: `${((100 * lost) / Math.max(1, packets + lost)).toFixed(1)} %`,
      rtt: transport.currentRoundTripTime === null ? "–" : `${Math.round(transport.currentRoundTripTime * 1000)} ms`,
      path: transport.path ? `${transport.path.local} → ${transport.path.remote}` : "–",
    };
    this.facts.replaceChildren(...Object.entries(facts).map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value }))));
    this.draw();
  }

  draw() {
    const top = Math.max(100, ...this.history) * 1.1;
    const points = this.history.map((value, at) => `${((at + 40 - this.history.length) * 104) / 39},${(31 - (value / top) * 30).toFixed(1)}`);
    const first = points[0].split(",")[0];
    this.spark.innerHTML = `<polygon class="area" points="${first},32 ${points.join(" ")} 104,32"/><polyline points="${points.join(" ")}"/>`;
  }
}

const servers = () => query.getAll("ice").map((url) => ({ url }));

// ---------------------------------------------------------------------------------------------
// What crosses

const wires = {
  count: 0,
  bytes: 0,
  sdp: 0,
  since: 0,
  clear() {
    Object.assign(this, { count: 0, bytes: 0, sdp: 0, since: performance.now() });
    $("#crossing").replaceChildren();
    this.tell();
  },
  add(way, text) {
    this.count++;
    this.bytes += text.length;
    if (/v=0|\bm=(audio|video|application)|\ba=[a-z-]+:/.test(text)) this.sdp++;
    const message = JSON.parse(text);
    const [name] = Object.keys(message);
    const value = message[name];
    const gist =
      name === "candidate" ? `${value.type} ${value.transport} ${value.connectionAddress}:${value.connectionPort}`
      : name === "track" ? `${value.kind} · ${value.codecs.filter(({ name }) => name !== "rtx").map(({ name }) => name).join(", ")}`
      : name === "iceInfo" ? (value.ice?.usernameFrag ?? "") : String(value);
    const details = element("details", {}, element(
      "summary", {},
      element("b", { textContent: `${way === "in" ? "←" : "→"} ${name}` }),
      element("span", { textContent: gist }),
      element("time", { textContent: `${((performance.now() - this.since) / 1000).toFixed(2)} s` }),
    ));
    details.addEventListener("toggle", () => details.childElementCount < 2 && details.append(element("pre", { textContent: JSON.stringify(message, null, 2) })), { once: true });
    $("#crossing").append(element("li", { className: way }, details));
    if (this.count > 400) $("#crossing").firstChild.remove();
    this.tell();
  },
  tell() {
    $("#proof").classList.toggle("bad", this.sdp > 0);
    $("#proof").textContent = this.sdp
      ? `${this.sdp} messages look like SDP!`
      : `${this.count} messages, ${(this.bytes / 1024).toFixed(1)} kB, all of the signalling. Not one line of SDP.`;
  },
};

// ---------------------------------------------------------------------------------------------
// The page around it

const clock = {
  start() {
    this.stop();
    this.begin = performance.now();
    this.timer = setInterval(() => {
      status();
      call?.measure();
    }, 500);
  },
  stop() { clearInterval(this.timer); },
};

let state = ["", "ready"];
function status(...now) {
  if (now.length) state = now;
  const seconds = Math.floor((performance.now() - (clock.begin ?? 0)) / 1000);
  const time = call && state[0] === "connected" ? ` · ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` : "";
  $("#status").dataset.state = state[0];
  $("#status span").textContent = state[1] + time;
}

function word(text, kind) {
  const item = element("li", { className: kind, textContent: text });
  $("#messages").append(item);
  item.scrollIntoView({ block: "nearest" });
  if (!kind && ($("#drawer").hidden || drawer.tab !== "chat")) $('[data-open="chat"]').classList.add("dot");
}
const note = (text) => word(text, "note");

const drawer = {
  tab: "chat",
  open(tab) {
    this.tab = tab;
    $("#drawer").hidden = false;
    for (const button of document.querySelectorAll("[data-tab]")) button.setAttribute("aria-selected", String(button.dataset.tab === tab));
    for (const panel of document.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== tab;
    for (const button of document.querySelectorAll("[data-open]")) button.setAttribute("aria-pressed", String(button.dataset.open === tab));
    if (tab === "chat") $('[data-open="chat"]').classList.remove("dot");
  },
  shut() {
    $("#drawer").hidden = true;
    for (const button of document.querySelectorAll("[data-open]")) button.setAttribute("aria-pressed", "false");
  },
};

function lobby(why) {
  $("#lobby").hidden = false;
  $("#call").hidden = $("#bar").hidden = $("#invite").hidden = true;
  drawer.shut();
  status("", why || "ready");
  if (location.search) history.replaceState(null, "", location.pathname);
  preview();
}

async function enter(wire, withRust) {
  const mine = new Call(wire, withRust);
  call = mine;
  $("#lobby").hidden = true;
  $("#call").hidden = $("#bar").hidden = false;
  $("#messages").replaceChildren();
  $("#dialled").textContent = "";
  wires.clear();
  status("searching", withRust ? "connecting" : "waiting");
  mutes();
  try {
    await wire.ready;
  } catch {
    return mine.leave(withRust ? "No Rust peer here: start examples/browser_call and open its page." : "The room cannot be reached.");
  }
  mine.ownTile();
  if (withRust) mine.connect();
  mine.listen();
}

const fresh = () => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => "abcdefghjkmnpqrstuvwxyz23456789"[byte % 31]).join("");

function invite(parameter, name) {
  const url = new URL(location.pathname, location.href);
  url.searchParams.set(parameter, name);
  $("#invite input").value = url.href;
  $("#invite").hidden = false;
  return url.href;
}

const START = {
  rust: () => enter(byWebSocket(`/call${location.search}`), true),
  tab: (name) => enter(byBroadcast(name), false),
  link: (name) => enter(byWebSocket(`/room/${encodeURIComponent(name)}`), false),
};

$("#call-rust").onclick = () => START.rust();
$("#call-tab").onclick = () => {
  const name = fresh();
  START.tab(name);
  window.open(invite("tab", name), "_blank");
};
$("#call-link").onclick = () => {
  const name = fresh();
  invite("link", name);
  START.link(name);
};
$("#copy").onclick = async () => {
  $("#invite input").select();
  await navigator.clipboard?.writeText($("#invite input").value).catch(() => {});
  $("#copy").textContent = "Copied";
  setTimeout(() => { $("#copy").textContent = "Copy"; }, 1500);
};
$("#try-again").onclick = () => (call ? record().then((stream) => stream && call?.connection && call.send(stream)).catch(() => {}) : preview());
$("#go-without").onclick = () => {
  $("#use-mic").checked = $("#use-camera").checked = false;
  $("#trouble").hidden = true;
  if (!call) preview();
};
for (const box of [$("#use-mic"), $("#use-camera")]) box.onchange = preview;

function mutes() {
  for (const [button, kind] of [[$("#mute-mic"), "audio"], [$("#mute-camera"), "video"]]) {
    const tracks = own?.getTracks().filter((track) => track.kind === kind) ?? [];
    button.disabled = !tracks.length;
    button.setAttribute("aria-pressed", String(tracks.some((track) => !track.enabled)));
    button.onclick = () => {
      const muted = button.getAttribute("aria-pressed") !== "true";
      for (const track of tracks) track.enabled = !muted;
      button.setAttribute("aria-pressed", String(muted));
    };
  }
}

for (const button of document.querySelectorAll("[data-open]")) {
  button.onclick = () => (!$("#drawer").hidden && drawer.tab === button.dataset.open ? drawer.shut() : drawer.open(button.dataset.open));
}
for (const button of document.querySelectorAll("[data-tab]")) button.onclick = () => drawer.open(button.dataset.tab);
$("#shut").onclick = () => drawer.shut();
$("#hang-up").onclick = () => call?.leave();
$("#say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("#say input").value.trim();
  if (text) call?.write(text);
  $("#say input").value = "";
};
for (const digit of "123456789*0#") {
  $(".keys").append(element("button", { textContent: digit, onclick: () => call?.dial(digit) }));
}
addEventListener("keydown", ({ key, target }) => {
  if (call && drawer.tab === "keypad" && !$("#drawer").hidden && target.tagName !== "INPUT" && /^[0-9*#]$/.test(key)) call.dial(key);
});
addEventListener("pagehide", () => call?.leave());

await preview();
for (const kind of ["tab", "link"]) if (query.get(kind)) START[kind](query.get(kind));
document.documentElement.dataset.ready = "yes";
