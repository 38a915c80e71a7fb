// Signalling between the tabs of one browser, without a server: BroadcastChannel carries it, and one
// tab keeps the desk. Each has a copy of the rooms, so that another goes on when that tab is shut.
// Which one it is, and which tabs are there, the browser's locks tell.
import { Desk } from "./desk.js";
import { fail } from "./errors.js";
import { randomId } from "./ids.js";
import { Link } from "./link.js";

const PATIENCE = 5_000; // ms until a tab that keeps no desk is taken to be none
/** The desk in one of the tabs, as long as it is there. */
class Keeper {
  #channel;
  #links = new Map(); // user id → Link
  #desk;

  constructor(name, records) {
    this.#channel = new BroadcastChannel(name);
    this.name = name;
    this.#desk = new Desk((userid, message) => this.#say(userid, message), (rooms) => this.#channel.postMessage({ records: rooms }));
    this.#desk.restore(structuredClone(records));
    this.#channel.onmessage = ({ data }) => data.from && this.#came(data);
    for (const { members } of this.#desk.rooms) for (const { userid } of members) this.#watch(userid);
    this.#channel.postMessage({ keeper: true });
  }

  /** The browser gives this lock away when the tab is gone. */
  #watch(userid) {
    navigator.locks.request(lockOf(this.name, userid), () => {
      this.#desk.gone(userid, "lost");
      this.#links.delete(userid);
    });
  }

  #say(userid, message) {
    const link = this.#links.get(userid);
    if (!link) return;
    // A welcome has no number: the numbers begin after it.
    const text = message.welcome ? JSON.stringify({ message }) : link.text(link.keep(message));
    this.#channel.postMessage({ to: userid, text });
  }

  #came({ from, text }) {
    const envelope = JSON.parse(text);
    const { hello } = envelope.message ?? {};
    if (hello) return this.#arrive(from, hello);
    const link = this.#links.get(from);
    const message = link?.take(envelope);
    if (message) this.#desk.said(from, message, envelope.seq);
    if (link?.due) this.#channel.postMessage({ to: from, text: link.acknowledgement() });
  }

  #arrive(userid, { extra, role = "participant" }) {
    if (this.#links.has(userid)) return;
    const user = { userid, role, ...(extra && { extra }) };
    const known = this.#desk.rooms.some((room) => room.member(userid));
    const link = new Link();
    this.#links.set(userid, link);
    if (known) return this.#desk.return(user);
    this.#desk.arrive(user);
    this.#watch(userid);
  }

  close() { this.#channel.close(); }
}

const lockOf = (name, userid) => `${name} ${userid}`;

export class BroadcastHub {
  #name;
  #hello;
  #channel;
  #link = new Link();
  #hear = () => {};
  #records = [];
  #keeper = null;
  #open = false;
  #welcomed = false;
  #release = [];
  #ended = false;

  /** `hello` has extra, userid and role; pages that give the same `name` meet. */
  constructor(name = "ortc rooms", hello = {}) {
    this.#name = name;
    this.#hello = { version: 1, ...hello, userid: hello.userid ?? randomId() };
  }

  static get supported() { return "BroadcastChannel" in globalThis && !!globalThis.navigator?.locks; }

  async listen(hear) {
    this.#hear = hear;
    const held = await this.#hold(lockOf(this.#name, this.#hello.userid), { ifAvailable: true });
    if (!held) return this.#end("userIdTaken", "another tab has this user id");
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#came(data);
    this.#hold(`${this.#name} keeper`).then((held) => held && this.#keep());
    this.#greet();
    setTimeout(() => this.#welcomed || this.#end("unreachable", "the tabs of this browser do not answer"), PATIENCE);
  }

  /** Whether the lock was given; it is held until the end. */
  #hold(name, options = {}) {
    return new Promise((resolve) => {
      navigator.locks.request(name, options, (lock) => {
        resolve(lock !== null && !this.#ended);
        return lock && !this.#ended ? new Promise((release) => this.#release.push(release)) : undefined;
      }).catch(() => resolve(false));
    });
  }

  #keep() {
    this.#keeper = new Keeper(this.#name, this.#records);
    this.#greet();
  }

  #greet() { this.#post(JSON.stringify({ message: { hello: this.#hello } })); }
  #post(text) { this.#channel?.postMessage({ from: this.#hello.userid, text }); }

  #came({ keeper, records, to, text }) {
    if (records) this.#records = records;
    if (keeper) {
      this.#open = false; // Another desk: what it has not heard is said after its welcome.
      if (!this.#keeper) this.#greet();
    }
    if (to !== this.#hello.userid || this.#ended) return;
    const message = this.#link.take(JSON.parse(text));
    if (!message) return;
    if (message.welcome) {
      const again = this.#welcomed ? this.#link.resume(0) : this.#link.begin();
      this.#open = this.#welcomed = true;
      for (const entry of again) this.#post(this.#link.text(entry));
    }
    this.#hear({ message });
    if (this.#link.due) this.#post(this.#link.acknowledgement());
  }

  set extra(extra) { this.#hello.extra = extra; }

  send(message) {
    if (this.#ended) throw fail("ended", "signalling has ended");
    const entry = this.#link.keep(message);
    if (this.#open) this.#post(this.#link.text(entry));
    return entry;
  }

  close() {
    if (this.#ended) return;
    if (this.#open) this.#post(this.#link.text(this.#link.keep({ bye: {} })));
    this.#stop();
  }

  #stop() {
    this.#ended = true;
    this.#channel?.close();
    this.#keeper?.close();
    for (const release of this.#release) release();
  }

  #end(code, message) {
    if (this.#ended) return;
    this.#stop();
    this.#hear({ ended: fail(code, message) });
  }
}
