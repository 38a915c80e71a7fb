// What is known of a room where no server keeps it, and what may become of it: the rules of the server.
import { fail } from "./errors.js";
import { directionOf } from "./kind.js";

export const POLICY = {
  maxParticipantsAllowed: 256, closeWhenOwnerLeaves: false, onePresenter: false, hidden: false,
  topology: "auto", meshUpTo: 4, secret: false,
};
const RANKS = { admin: 0, participant: 1, guest: 2 };

/** Notices are pairs of a receiver and a message; the receiver is a user id, or `{ all }` with who is left out. */
const all = (message, but = null) => [{ all: true, but }, message];

export class RoomRecord {
  constructor(fields) { Object.assign(this, fields); }

  static open(name, { session = {}, policy = {}, password = null }, user, now) {
    const direction = directionOf(session);
    if (user.role === "inspector") throw fail("notAllowed", "an inspector cannot open a room");
    return new RoomRecord({
      room: name, epoch: now, owner: user.userid, members: [user], session,
      policy: limited({ ...POLICY, ...policy }, direction), password, presenter: null, banned: [],
    });
  }

  member(userid) { return this.members.find((one) => one.userid === userid); }
  get places() { return this.policy.maxParticipantsAllowed + 1; }
  governs(userid) { return this.owner === userid || this.member(userid)?.role === "admin"; }

  state(about) {
    const { room, epoch, members, owner, session, policy, presenter } = this;
    return { room: { room, epoch, users: members, owner, session, policy, ...(presenter && { presenter }), ...(about && { about }) } };
  }

  info() {
    if (this.policy.hidden) return null;
    const { extra } = this.member(this.owner) ?? {};
    return {
      sessionid: this.room, userid: this.owner, ...(extra && { extra }), session: this.session,
      users: this.members.length, places: this.places, ...(this.password && { password: true }),
    };
  }

  join(user, password, about) {
    if (this.member(user.userid)) throw fail("alreadyInRoom", "you are in this room already");
    if (this.banned.includes(user.userid)) throw fail("banned", "you were put out of this room and may not come back");
    if (this.password && this.password !== password) throw fail("badPassword", "this room wants a password, and this is not it");
    if (this.members.length >= this.places) throw fail("roomFull", `all ${this.places} places of this room are taken`);
    this.members.push(user);
    return [[user.userid, this.state(about)], all({ joined: { room: this.room, user } }, user.userid)];
  }

  leave(userid, reason) {
    this.#wantsMember(userid);
    const notices = reason === "left" ? [this.#closed(userid, "left")] : [];
    return [...notices, ...this.#without(userid, reason)];
  }

  eject(by, userid, ban) {
    this.#wantsGovernor(by);
    this.#wantsUser(userid);
    if (userid === this.owner) throw fail("notAllowed", "the owner of a room cannot be put out of it");
    if (ban) this.banned.push(userid);
    return [this.#closed(userid, ban ? "banned" : "ejected"), ...this.#without(userid, "ejected")];
  }

  close(by) {
    this.#wantsGovernor(by);
    return this.#end("closed");
  }

  handOver(by, userid) {
    this.#wantsGovernor(by);
    this.#wantsUser(userid);
    if (this.member(userid).role === "inspector") throw fail("notAllowed", "an inspector cannot own a room");
    this.owner = userid;
    return [this.#owner()];
  }

  setPolicy(by, policy) {
    this.#wantsGovernor(by);
    this.policy = limited({ ...POLICY, ...policy }, directionOf(this.session));
    const notices = [all({ policy: { room: this.room, policy: this.policy } })];
    if (!this.policy.onePresenter && this.presenter) {
      this.presenter = null;
      notices.push(this.#presenter());
    }
    return notices;
  }

  setExtra(userid, extra) {
    this.#wantsMember(userid);
    this.member(userid).extra = extra;
    return [all({ extra: { userid, extra } }, userid)];
  }

  present(userid, on) {
    this.#wantsMember(userid);
    const other = this.presenter && this.presenter !== userid;
    if (on) {
      if (this.member(userid).role === "inspector") throw fail("notAllowed", "an inspector cannot present");
      if (this.policy.onePresenter && other && !this.governs(userid)) throw fail("presenterTaken", "somebody else presents; wait for the end");
      this.presenter = userid;
    } else {
      if (other || !this.presenter) return [];
      this.presenter = null;
    }
    return [this.#presenter()];
  }

  get ended() { return this.members.length === 0; }

  #without(userid, reason) {
    this.members = this.members.filter((one) => one.userid !== userid);
    const notices = [all({ left: { room: this.room, userid, reason } })];
    if (this.presenter === userid) {
      this.presenter = null;
      notices.push(this.#presenter());
    }
    if (this.owner !== userid) return notices;
    // Members stand in the order in which they came.
    const [heir] = this.members.filter(({ role }) => role in RANKS).sort((a, b) => RANKS[a.role] - RANKS[b.role]);
    if (!heir || this.policy.closeWhenOwnerLeaves) return [...notices, ...this.#end("ownerLeft")];
    this.owner = heir.userid;
    return [...notices, this.#owner()];
  }

  #end(reason) {
    const gone = this.members;
    this.members = [];
    return gone.map(({ userid }) => this.#closed(userid, reason));
  }

  #closed(userid, reason) { return [userid, { closed: { room: this.room, reason } }]; }
  #owner() { return all({ owner: { room: this.room, userid: this.owner } }); }
  #presenter() { return all({ presenter: { room: this.room, userid: this.presenter } }); }

  #wantsMember(userid) {
    if (!this.member(userid)) throw fail("notInRoom", "you are not in this room; join it first");
  }

  #wantsUser(userid) {
    if (!this.member(userid)) throw fail("noSuchUser", `${userid} is not in this room`);
  }

  #wantsGovernor(userid) {
    this.#wantsMember(userid);
    if (!this.governs(userid)) throw fail("notAllowed", "only the owner of a room and its admins may do this");
  }
}

/** A session of two has two places, whatever the rules say. */
function limited(policy, direction) {
  if (direction === "one-to-one") policy.maxParticipantsAllowed = Math.min(1, policy.maxParticipantsAllowed);
  return policy;
}
