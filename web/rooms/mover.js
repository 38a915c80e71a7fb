// Pairs of users move from a connection of their own to the hub, and back: each way ends only when
// all is shown that comes by the other, so that no picture stops and no message is lost or comes twice.
import { fail } from "./errors.js";

const LOOK = 100; // ms
const MOST = 15_000; // ms until a pair moves though not all comes by the other way
const OVER = 30_000; // ms until a way is given up by which something may be on its way yet
const MOST_HELD = 1024; // messages
const LINGER = 1_000; // ms in which what comes by the old way is there still, until the application shows the new
const AT_ONCE = 2; // that are moved in one look: each has the application show another picture
const MAKING = 4_000; // ms for a connection that is being made when the hub comes

/** Sound comes with its first packet, a picture once one was decoded. */
const comes = ({ connection }, track) => (track.kind === "video" ? Boolean(connection?.isConnected(track)) : !track.muted);

/** Whether all that comes by one way comes by the other as well. */
function hasAll(before, now) {
  return before.streams.every((stream) => {
    const there = now.streams.find(({ id }) => id === stream.id);
    const silent = [...stream.muted, ...(there?.muted ?? [])];
    return stream.stream.getTracks().filter(({ kind, readyState }) => readyState === "live" && !silent.includes(kind))
      .every(({ kind }) => there?.stream.getTracks().some((track) => track.kind === kind && comes(now, track)));
  });
}

/** What this side did not want of a stream it does not want by the other way either. */
function keepDropped(before, now) {
  for (const { id, dropped } of before.streams) {
    const there = now.streams.find((one) => one.id === id);
    if (there && dropped.length) there.mute(Object.fromEntries(dropped.map((kind) => [kind, true])));
  }
}

/** What comes by one way is asked for by the other, where nothing comes unasked. */
function askFor(before, now) {
  for (const { id, dropped } of before.streams) {
    const there = now.streams.find((one) => one.id === id);
    if (there?.dropped.includes("video") && !dropped.includes("video")) there.unmute({ video: true });
  }
}

export class Mover {
  #room;
  #pairs = new Map(); // user id → { from, held, flushed, moved, bye }
  #since = null;
  #timer = 0;
  #turned = -Infinity; // when the last of them was moved back

  /** `room` has `hub`, `leaving`, `direct`, a map of peers by user id, `hush(peer)`, `wake(peer)` and `finish(peer)`. */
  constructor(room) { this.#room = room; }

  /** Moves who is to be moved, until all are. */
  run() {
    if (this.#timer || !this.#room.hub) return;
    this.#timer = setInterval(() => this.#look(), LOOK);
  }

  /** The hub is gone, or stays after all. Gives those who had moved and have their connections still. */
  reset() {
    const moved = [];
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#since = null;
    for (const [userid, pair] of this.#pairs) {
      pair.from.divert();
      for (const packed of pair.held) pair.from._put(packed);
      if (!pair.moved || !this.#room.direct.has(userid)) continue;
      this.#room.hub?.member(userid)?.rest();
      moved.push(userid);
    }
    this.#pairs.clear();
    return moved;
  }

  forget(userid) { this.#pairs.delete(userid); }

  #look() {
    const { hub, leaving, direct } = this.#room;
    if (!hub) return void this.reset();
    const peers = [...direct.values()];
    const done = leaving ? this.#back(hub, peers) : this.#there(hub, peers);
    if (!done) return undefined;
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#since = null;
    if (leaving) hub.peer.sayBye();
    return undefined;
  }

  #late(most = MOST) { return performance.now() - (this.#since ??= performance.now()) > most; }

  /** Holds what is said, until the other side has read what was said before. */
  #hold(from, userid) {
    const pair = { from, held: [], flushed: false, moved: 0, bye: false };
    this.#pairs.set(userid, pair);
    from.divert((packed) => {
      if (pair.held.length >= MOST_HELD) throw fail("unavailable", "too much waits for another way to this user");
      pair.held.push(packed);
    });
    from.flushed(() => { pair.flushed = true; });
  }

  #pass(pair, from, to) {
    to.divert();
    for (const packed of [...(from.rest?.() ?? []), ...pair.held.splice(0)]) to._put(packed);
    from.divert((packed) => to._say(packed));
    pair.moved = performance.now();
  }

  #there(hub, peers) {
    if (!hub.peer.talk.open) {
      this.#since = null;
      return !peers.length;
    }
    const late = this.#late();
    let [moves, ends] = [AT_ONCE, 1]; // to end a connection holds the page up
    for (const peer of peers) {
      const { userid } = peer;
      const member = hub.member(userid);
      const pair = this.#pairs.get(userid);
      const stuck = !peer.made && performance.now() - this.#since > MAKING;
      // What is said is lost only with a connection that is lost for good.
      const hopeless = stuck || this.#late(OVER) || (late && peer.state !== "connected");
      if (!member) continue;
      if (!pair) {
        askFor(peer, member);
        if (late || stuck || (member.talk.open && peer.talk.open && hasAll(peer, member))) this.#hold(peer.talk, userid);
      } else if (!pair.moved) {
        if ((!pair.flushed && !hopeless) || !moves) continue;
        moves--;
        const known = peer.talk.open;
        this.#pass(pair, peer.talk, member.talk);
        keepDropped(peer, member);
        // From now on the application hears of the other way alone; the other side may close this one.
        this.#room.hush(peer);
        member.activate(known);
      } else if (!pair.bye) {
        // Words do not wait as long as this; a picture is not given up for one that does not come.
        pair.bye = performance.now() - pair.moved > LINGER && (hopeless || peer.state !== "connected" || hasAll(peer, member));
        if (pair.bye) peer.sayBye();
      } else if ((peer.heardBye || hopeless) && ends) {
        ends--;
        this.#pairs.delete(userid);
        this.#room.finish(peer);
      }
    }
    return !this.#room.direct.size;
  }

  #back(hub, peers) {
    const late = this.#late();
    const hopeless = this.#late(OVER) || (late && hub.peer.state !== "connected");
    let all = true;
    let moves = AT_ONCE;
    for (const peer of peers) {
      const { userid } = peer;
      const member = hub.member(userid);
      if (!member?.active) {
        if (member && !hopeless && peer.state === "connected" && !hasAll(member, peer)) all = false;
        continue;
      }
      const pair = this.#pairs.get(userid);
      all = false;
      if (!pair) {
        if (late || (peer.state === "connected" && peer.talk.open && hasAll(member, peer))) this.#hold(member.talk, userid);
      } else if ((pair.flushed || hopeless) && moves) {
        moves--;
        this.#pass(pair, member.talk, peer.talk);
        keepDropped(member, peer);
        this.#pairs.delete(userid);
        member.rest();
        this.#room.wake(peer);
        this.#turned = performance.now();
      }
    }
    return all && performance.now() - this.#turned > LINGER;
  }
}
