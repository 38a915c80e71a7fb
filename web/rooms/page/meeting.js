// One stay in a room: its streams, its people, and what each part of the page does with them.
import { devices, KINDS } from "../../page/devices.js";
import { $, soon } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { clearWires } from "../../page/wires.js";
import * as chat from "./chat.js";
import { GUESSES } from "./codes.js";
import * as figures from "./figures.js";
import * as files from "./files_panel.js";
import * as hands from "./hands.js";
import { invite } from "./invitation.js";
import { announce, tell } from "./notices.js";
import { looksOn, nameOf } from "./people.js";
import * as people from "./people_list.js";
import * as recorder from "./recorder.js";
import * as recording from "./recording.js";
import * as rings from "./rings.js";
import * as screens from "./screen.js";
import * as settings from "./settings.js";
import { snapshot } from "./snapshot.js";
import * as sounds from "./sounds.js";
import { status } from "./state.js";
import { Tile } from "./tile.js";
import * as timer from "./timer.js";
import * as together from "./together.js";
import { Wall } from "./wall.js";
import { LEFT, refused, WRONG_CODE } from "./words.js";

const LOOKS = 1000; // ms

export class Meeting {
  #session;
  #room;
  #wall = new Wall((tile, on) => this.#want(tile, on));
  #own = new MediaStream();
  #local = null; #by = null;
  #guesses = 0;
  #muted = { audio: false, video: false };
  #over = new AbortController();
  #follow = () => this.#send();
  #timer;
  #lookSoon = soon(() => this.#over.signal.aborted || this.#look());
  #picture = $("#show-picture").checked && !$("#hidden").checked;

  /** `by` is the code that was entered with: `{ way, code }`. */
  constructor(session, room, by = null) {
    this.#session = session;
    this.#room = room;
    const { userid } = session;
    $("#place b").textContent = by ? (by.way === "send" ? "sending by a code" : "receiving by a code") : room.name;
    $("#place").hidden = false;
    chat.begin(session, () => this.#wall.get(`user ${userid}`)?.video);
    timer.begin(session);
    together.begin(session, room);
    hands.begin(session, () => this.#look());
    recording.begin(session);
    screens.begin(session);
    settings.begin(session);
    files.begin(session, room, by);
    recorder.begin(session, (text) => this.#happened(text));
    invite(room, by);
    this.#by = by;
    this.#listen();
    for (const user of room.users.values()) this.#arrive(user);
    devices.addEventListener("change", this.#follow);
    this.#send();
    this.#timer = setInterval(() => this.#look(), LOOKS);
    this.#look();
  }

  get room() { return this.#room; }
  get #me() { return this.#room.users.get(this.#session.userid); }

  #listen() {
    const on = (name, hear) => this.#session.addEventListener(name, (event) => (event.room ?? this.#room.name) === this.#room.name && hear(event), { signal: this.#over.signal });
    on("joined", ({ user }) => {
      this.#arrive(user);
      this.#happened(`${nameOf(user)} has come`);
    });
    on("left", ({ user, reason }) => {
      this.#wall.remove(`user ${user.userid}`);
      hands.gone(user.userid);
      recording.gone(user.userid);
      timer.adopt(user.userid, this.#room.owned);
      together.left(user.userid);
      this.#happened(`${nameOf(user)} ${LEFT[reason] ?? "has left"}`);
    });
    on("owner", ({ userid }) => {
      const mine = userid === this.#session.userid;
      this.#happened(mine ? "You own the room now" : `${nameOf(this.#room.users.get(userid))} owns the room now`);
      settings.showPolicy();
      screens.show();
    });
    on("extra", ({ userid }) => this.#wall.tiles.filter(({ user }) => user.userid === userid).forEach((tile) => tile.name(this.#room.users.get(userid))));
    on("policy", () => {
      settings.showPolicy();
      screens.show();
    });
    on("presenter", ({ userid }) => screens.presenterIs(userid));
    on("stream", (event) => event.origin === "remote" ? this.#show(event.stream) : this.#showOwn(event.stream));
    on("streamEnded", ({ stream }) => this.#unshow(stream));
    for (const name of ["mute", "unmute"]) on(name, () => this.#look());
    on("open", ({ userid }) => {
      hands.tellTo(userid);
      timer.tellTo(userid);
      together.opened(userid, looksOn(this.#room.users.get(userid)));
      recorder.tellTo(userid);
    });
    on("speakers", ({ order, speaking }) => this.#wall.rank(order, speaking));
    on("unreached", ({ userid }) => this.#happened(`No way to ${nameOf(this.#room.users.get(userid))} yet: a network in between lets nothing through. The page goes on trying.`));
    on("impostor", ({ userid, reason }) => {
      if (this.#by) return this.#wrongCode(userid);
      const name = nameOf(this.#room.users.get(userid));
      this.#happened(`No connection to ${name}: ${reason}`);
      tell(`${name} is not connected to`, "One of you two has another secret, or the server has altered what you say to each other. Compare the secret by another way.");
    });
    on("error", ({ error, userid }) => {
      if (userid) return console.warn(error);
      return error.code === "notInRoom" || tell("That was not done", error.code ? refused(error) : error.message);
    });
  }

  get receivesByCode() { return this.#by?.way === "recv"; }

  /** One guess each; the offer is gone after some. */
  #wrongCode(userid) {
    if (this.receivesByCode) {
      tell(...WRONG_CODE);
      return void this.#session.leave(this.#room.name).catch(() => {});
    }
    this.#happened("Somebody tried a wrong code");
    if (++this.#guesses < GUESSES) return this.#session.eject(userid, { room: this.#room.name });
    tell("Three wrong codes", "This code is not valid any more. Send the files by a new one.");
    return void this.#session.leave(this.#room.name).catch(() => {});
  }

  #happened(text) {
    chat.note(`${text}.`);
    announce(text);
    this.#look();
  }

  // -- Tiles

  #arrive(user) {
    const mine = user.userid === this.#session.userid;
    const key = `user ${user.userid}`;
    if (user.role === "inspector" || this.#wall.get(key)) return;
    this.#wall.add(new Tile(key, user, this.#does(mine)));
    if (mine) this.#wall.get(key).show(this.#own);
    for (const stream of this.#room.peer(user.userid)?.streams ?? []) this.#show(stream);
  }

  #does(mine, screen = false) {
    return {
      mine, screen,
      aside: (tile) => this.#wall.aside(tile.key),
      record: globalThis.MediaRecorder ? (tile) => {
        recorder.toggle(tile.key, tile.shown, tile.stream);
        this.#look();
      } : null,
      snap: (tile) => recorder.snap(tile.shown, tile.video),
      silence: mine ? null : (tile) => this.#silence(tile),
    };
  }

  /** A user's first stream that is no screen is its picture; each other has a tile of its own. */
  #show(remote) {
    const user = this.#room.users.get(remote.userid);
    if (!user) return;
    const { screen = false } = remote.session;
    const person = this.#wall.get(`user ${remote.userid}`);
    // The same stream by another way, from or to the hub, takes the place of before.
    const known = this.#wall.tiles.find((one) => one.remote?.id === remote.id && one.user.userid === remote.userid);
    const tile = known ?? (!screen && person && !person.remote ? person : this.#wall.get(remote.id)) ?? this.#wall.add(new Tile(remote.id, user, this.#does(false, screen)));
    tile.remote = remote;
    tile.show(remote.stream);
    if (remote.stream.getAudioTracks().length) sounds.play(remote.stream, remote.id);
    for (const event of ["addtrack", "removetrack"]) {
      remote.stream.addEventListener(event, () => {
        if (tile.remote !== remote) return;
        if (remote.stream.getAudioTracks().length) sounds.play(remote.stream, remote.id);
        tile.follow();
      });
    }
    this.#want(tile, this.#wall.shows(tile.key));
    if (screen && !known) this.#happened(`${nameOf(user)} shares a screen`);
    this.#lookSoon();
  }

  #showOwn(local) {
    if (local.id === this.#own.id) return;
    this.#wall.add(new Tile(local.id, this.#me, this.#does(true, true))).show(local.stream);
  }

  #unshow({ id, origin }) {
    if (origin === "remote") sounds.stop(id);
    const person = this.#wall.tiles.find(({ remote, key }) => remote?.id === id && key.startsWith("user "));
    if (!person) return this.#wall.remove(id);
    person.remote = null;
    person.show(null);
    // Another that came before this one ended, as of a page that was loaded anew, takes its place.
    const { key, remote } = this.#wall.tiles.find((one) => one.remote && !one.screen && one.user.userid === person.user.userid) ?? {};
    this.#wall.remove(key);
    if (remote) this.#show(remote);
    return this.#look();
  }

  #want({ remote }, on) {
    if (!remote || remote.dropped.includes("video") === !on) return;
    if (on) remote.unmute({ video: true });
    else remote.mute({ video: true });
  }

  #silence(tile) {
    if (!tile.remote) return;
    const on = !tile.remote.dropped.includes("audio");
    if (on) tile.remote.mute({ audio: true });
    else tile.remote.unmute({ audio: true });
    tile.silenced(on);
  }

  // -- What is sent

  /** Brings the own stream in line with the devices. */
  #send() {
    const { session } = this.#room;
    const states = KINDS.map((kind) => [kind, devices.state(kind) === "muted"]);
    const tracks = this.#me?.role === "inspector" ? [] : devices.tracks.filter(({ kind }) => session[kind]);
    for (const track of this.#own.getTracks()) if (!tracks.includes(track)) this.#own.removeTrack(track);
    for (const track of tracks) this.#own.addTrack(track);
    const added = !this.#local && tracks.length > 0;
    if (added) this.#local = this.#session.addStream(this.#own);
    // Before the stream is followed, which mutes tracks as the stream is.
    for (const [kind, muted] of states) {
      if (!this.#local || muted === this.#muted[kind]) continue;
      this.#muted[kind] = muted;
      if (muted) this.#local.mute({ [kind]: true });
      else this.#local.unmute({ [kind]: true });
    }
    if (this.#local && !added) this.#session.streams.follow(this.#own);
    const tile = this.#wall.get(`user ${this.#session.userid}`);
    tile?.show(this.#own);
    tile?.follow(this.#local?.muted ?? []);
  }

  // -- Each second

  #mutedOf(userid) {
    if (userid === this.#session.userid) return ["audio", "video"].filter((kind) => devices.state(kind) !== "live");
    const { remote } = this.#wall.get(`user ${userid}`) ?? {};
    if (!remote) return [];
    return remote.stream.getAudioTracks().length ? remote.muted : [...remote.muted, "audio"];
  }

  #look() {
    const { userid } = this.#session;
    // Of those who are reached by a hub that one says who speaks.
    for (const peer of this.#room.peers) if (!peer.byHub) this.#wall.hear(peer.userid, this.#session.paths.of(peer)?.level ?? 0);
    for (const tile of this.#wall.tiles) {
      const of = tile.user.userid;
      const muted = tile.remote?.muted ?? (tile.screen ? [] : this.#mutedOf(of));
      const peer = this.#room.peer(of);
      tile.recorded(recorder.isRecorded(tile.key));
      tile.follow(tile.mine && !tile.screen ? this.#local?.muted ?? [] : muted);
      tile.root.dataset.stream = tile.remote?.id ?? (!tile.mine ? "" : tile.screen ? tile.key : this.#own.id);
      if (tile.screen) continue;
      tile.signs({
        owner: of === this.#room.owner, hand: hands.isUp(of), away: Boolean(peer) && peer.state !== "connected",
        mic: !this.#room.session.audio || (!tile.remote && of !== userid) ? undefined : !this.#mutedOf(of).includes("audio"),
      });
    }
    this.#wall.place();
    const live = ["audio", "video"].filter((kind) => this.#local && !this.#local.muted.includes(kind) && this.#own.getTracks().some((track) => track.kind === kind));
    settings.showGiven([live.includes("audio") && "your voice", live.includes("video") && "your picture", screens.screen() && "your screen"].filter(Boolean));
    people.showPeople({
      session: this.#session, room: this.#room, mutedOf: (of) => this.#mutedOf(of), hand: hands.isUp, records: recording.isBy,
      call: (of) => rings.call(of, this.#room.users.get(of)),
    });
    figures.showFigures(this.#session, this.#room);
    files.look();
    if (this.#picture) this.#showInLobby();
    this.#sayState();
  }

  /** For the list of rooms, once: a small picture of the owner, who has asked for it. */
  #showInLobby() {
    const screenshot = this.#room.owned && snapshot(this.#wall.get(`user ${this.#session.userid}`)?.video);
    if (!screenshot) return;
    this.#picture = false;
    this.#session.setExtra({ ...this.#session.extra, screenshot });
  }

  #sayState() {
    const { users, peers, places } = this.#room;
    $("#alone").hidden = users.size > 1;
    $("#place span").textContent = `${users.size} of ${places}`;
    if (!this.#session.online) return status("halted", "reconnecting");
    if (!peers.length) return status("searching", users.size > 1 ? "in the room" : "nobody else here yet");
    const reached = peers.filter(({ state }) => state === "connected").length;
    const relayed = peers.filter((peer) => this.#session.paths.of(peer)?.kind === "relayed").length;
    if (reached < peers.length) return status("searching", `connecting ${reached}/${peers.length}`);
    return status("connected", relayed ? `connected · ${relayed} relayed` : "connected");
  }

  end() {
    clearInterval(this.#timer);
    this.#over.abort();
    devices.removeEventListener("change", this.#follow);
    screens.end();
    if (this.#local) this.#session.removeStream(this.#local.id);
    for (const tile of this.#wall.tiles) if (tile.remote) sounds.stop(tile.remote.id);
    this.#wall.end();
    timer.end();
    together.end();
    hands.end();
    recording.end();
    settings.end();
    files.end();
    recorder.end();
    chat.end();
    people.clear();
    figures.clear();
    clearWires();
    drawer.shut();
    $("#place").hidden = true;
    if (document.fullscreenElement) document.exitFullscreen();
  }
}
