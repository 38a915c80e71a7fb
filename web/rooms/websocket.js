// Signalling over a WebSocket that comes back by itself.
//
// A signaller has `listen(hear)`, `send(message)` and `close()`. It hears `{ message }`, the first of
// which is the welcome, `{ lost }` when the connection is gone and it tries to come back, and
// `{ ended }`, an error, when it does not.
import { Backoff } from "./backoff.js";
import { fail } from "./errors.js";
import { Link } from "./link.js";

const PATIENCE = 10_000; // ms until a server that does not welcome is left
const TELL = 5_000; // ms after which what was heard is told
const SILENCE = 25_000; // ms without a word about what was said: the connection is dead
const ENDS = {
  4001: ["replaced", "this user came back by another connection"],
  4003: ["refused", "the signalling server does not want this client"],
};

export class WebSocketSignaller {
  #url;
  #hello;
  #link = new Link();
  #backoff = new Backoff();
  #socket = null;
  #hear = () => {};
  #welcomed = false; // once
  #open = false; // now
  #ended = false;
  #timer = 0;
  #watch;
  #reason = "";
  #return; // ms after which the server wants to be asked again
  #online = () => !this.#socket && this.#timer && this.#connect();

  /** `hello` is what the client says first: extra, userid, token, role, resume. */
  constructor(url, hello = {}) {
    this.#url = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
    this.#hello = { version: 1, ...hello };
    globalThis.addEventListener?.("online", this.#online);
    this.#watch = setInterval(() => this.#look(), TELL);
  }

  listen(hear) {
    this.#hear = hear;
    this.#connect();
  }

  /** What the next hello says of the user. */
  set extra(extra) { this.#hello.extra = extra; }

  /** Says it now or after the return; gives the entry whose `seq` answers name. */
  send(message) {
    if (this.#ended) throw fail("ended", "signalling has ended");
    const entry = this.#link.keep(message);
    if (this.#open) this.#socket.send(this.#link.text(entry));
    return entry;
  }

  close() {
    if (this.#ended) return;
    if (this.#open) this.#socket.send(JSON.stringify({ message: { bye: {} } }));
    this.#stop();
  }

  #stop() {
    this.#ended = true;
    this.#open = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    globalThis.removeEventListener?.("online", this.#online);
    this.#socket?.close();
  }

  #end(code, message) {
    if (this.#ended) return;
    this.#stop();
    this.#hear({ ended: fail(code, message) });
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    const mine = () => this.#socket === socket && !this.#ended;
    const patience = setTimeout(() => mine() && !this.#open && socket.close(), PATIENCE);
    socket.onopen = () => mine() && socket.send(JSON.stringify({ message: { hello: { ...this.#hello, seen: this.#link.heard } } }));
    socket.onmessage = ({ data }) => mine() && this.#came(data);
    socket.onclose = ({ code, reason }) => {
      clearTimeout(patience);
      if (mine()) this.#closed(code, reason);
    };
  }

  #came(text) {
    let envelope = null;
    try {
      envelope = JSON.parse(text);
      const message = this.#link.take(envelope);
      if (message) this.#heard(message);
      if (this.#open && this.#link.due) this.#socket.send(this.#link.acknowledgement());
    } catch (error) {
      if (error.code !== "unavailable" && envelope) throw error;
      this.#reason = error.message;
      this.#socket?.close();
    }
  }

  #heard(message) {
    if (message.welcome) this.#enter(message.welcome);
    if (message.resume) this.#hello.resume = message.resume.resume;
    if (message.goodbye) this.#return = message.goodbye.returnAfterMs;
    if (message.goodbye && message.goodbye.returnAfterMs === undefined) return this.#end("goodbye", message.goodbye.message);
    // A refusal before the welcome ends the first connection; later it is the token that is too old.
    if (message.error && !this.#open) {
      const { code, message: words } = message.error;
      if (this.#welcomed && this.#hello.resume && ["badToken", "badHello", "userIdTaken"].includes(code)) delete this.#hello.resume;
      else if (!["unavailable", "tooMany"].includes(code)) return this.#end(code, words);
    }
    if (!this.#ended) this.#hear({ message });
  }

  #enter(welcome) {
    this.#hello.resume = welcome.resume;
    this.#hello.userid = welcome.userid;
    const again = welcome.resumed ? this.#link.resume(welcome.seen ?? 0) : this.#welcomed ? (this.#link.restart(), []) : this.#link.begin();
    this.#welcomed = this.#open = true;
    this.#backoff.reset();
    for (const entry of again) this.#socket.send(this.#link.text(entry));
  }

  #closed(code, reason) {
    const was = this.#open;
    this.#open = false;
    this.#socket = null;
    if (ENDS[code]) return this.#end(ENDS[code][0], reason || ENDS[code][1]);
    const words = this.#reason || reason || (was ? "the connection to the server was lost" : "the server cannot be reached");
    this.#reason = "";
    if (!this.#welcomed) return this.#end("unreachable", words);
    if (was) this.#hear({ lost: words });
    const later = this.#return;
    this.#return = undefined;
    const wait = later === undefined ? this.#backoff.next() : later + Math.random() * (later + 1000);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #look() {
    if (!this.#open) return;
    if (performance.now() - (this.#link.oldest ?? Infinity) > SILENCE) {
      const socket = this.#socket;
      this.#socket = null; // A dead connection is not waited for.
      socket.close();
      this.#closed(1006, "the server no longer answers");
    } else if (this.#link.untold) this.#socket.send(this.#link.acknowledgement());
  }
}
