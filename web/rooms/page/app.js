// The page: to the server, into a room, and back to the lobby. Sessions are in ../../rooms.js.
import { BroadcastHub, Session } from "../../rooms.js";
import { devices, KINDS } from "../../page/devices.js";
import { $ } from "../../page/dom.js";
import { clearWires, showMessage } from "../../page/wires.js";
import { place, settings } from "./address.js";
import * as codes from "./codes.js";
import * as consoleLog from "./console_log.js";
import * as help from "./help.js";
import * as lobby from "./lobby.js";
import { Meeting } from "./meeting.js";
import { away, back, tell, untell, unring } from "./notices.js";
import * as rings from "./rings.js";
import { status } from "./state.js";
import * as switches from "./switches.js";
import * as upload from "./upload.js";
import { closed, ended, refused, WRONG_CODE } from "./words.js";

const KEPT = "ortc session"; // in this tab, for a page that comes back after a crash

let session = null;
let meeting = null;
let role;

const kept = () => JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
const keep = (more) => sessionStorage.setItem(KEPT, JSON.stringify({ ...kept(), ...more }));
const log = (...words) => settings.log && console.info("ortc:", ...words);

// -- To the server

const config = async () => {
  const answer = await fetch("/config.json").catch(() => null);
  return answer?.ok ? answer.json().catch(() => null) : null;
};

async function connect({ tabs = settings.tabs } = {}) {
  status("searching", "connecting");
  const server = tabs ? null : await config();
  upload.begin(server);
  help.server(server);
  lobby.begin({ rolesFree: server ? server.rolesFree === true : true, enter, call: (...who) => rings.call(...who), wantsPassword });
  role = lobby.role();
  const before = kept();
  const options = { extra: lobby.extra(), token: settings.token, role, iceServers: settings.ice, simulcast: settings.simulcast, leave: before.room ? [before.room] : [] };
  try {
    const made = server
      ? await withOwnId((more) => Session.connect(server.websocket ?? "/ws", { ...options, ...more }), before)
      : await byTabs(options);
    take(made);
    untell();
    status("", server ? "ready" : "among tabs");
    document.documentElement.dataset.ready = "yes";
    return true;
  } catch (error) {
    log(error.message);
    status("closed", "no server");
    const tabs = BroadcastHub.supported ? [["Among tabs of this browser", () => connect({ tabs: true })]] : [];
    tell(...ended(error), ["Try again", () => connect()], ...tabs);
    document.documentElement.dataset.ready = "yes";
    return false;
  }
}

/** As who this tab was before, where that is possible. */
async function withOwnId(make, { resume, userid }) {
  try {
    return await make({ resume, userid });
  } catch (error) {
    if (!["userIdTaken", "badToken", "badHello"].includes(error.code) || !(resume || userid)) throw error;
    sessionStorage.removeItem(KEPT);
    return make({});
  }
}

function byTabs(options) {
  if (!BroadcastHub.supported) throw Object.assign(new Error("no server"), { code: "unreachable" });
  return Session.with(new BroadcastHub("ortc rooms", { extra: options.extra, role: options.role }), options);
}

function take(made) {
  session = made;
  keep({ resume: session.resume, userid: session.userid });
  if (settings.debug) Object.assign(globalThis, { session });
  session.onsignal = ({ way, message }) => {
    if (settings.debug) console.debug(way, message);
    if (message.welcome || message.resume) keep({ resume: session.resume });
    else if (!message.rooms) showMessage(way, JSON.stringify(message), message);
  };
  session.onrooms = ({ rooms }) => lobby.showRooms(rooms, session.userid);
  session.onlost = ({ reason }) => {
    log(reason);
    away("The server is away", meeting ? "Calls go on without it; the page comes back by itself. Nobody can enter or leave meanwhile." : "The page comes back by itself.");
    status("halted", "reconnecting");
  };
  session.onresumed = () => {
    back();
    if (!meeting) status("", "ready");
    session.watchRooms();
  };
  session.onclosed = ({ room, reason, message }) => {
    log("closed", room, reason);
    if (meeting?.room.name === room) over(reason, message);
  };
  session.onended = ({ error }) => {
    back();
    const name = meeting?.room.name;
    toLobby();
    status("closed", "no server");
    tell(...ended(error), ["Try again", async () => (await connect()) && name && enter(name)]);
  };
  session.onerror = ({ error }) => meeting || error.code === "notInRoom" || tell("That was not done", error.code ? refused(error) : error.message);
  rings.begin(session, { enter: meet, leave: hungUp });
  session.watchRooms();
  log("connected as", session.userid);
}

// -- Into a room

const wantsPassword = (room) => tell("This room wants a password", `Type the password of ${room} below, and enter.`);

async function enter(name, options = {}) {
  if (!session) return undefined;
  untell();
  lobby.busy(true);
  try {
    if (role !== lobby.role()) await again();
    if (JSON.stringify(session.extra) !== JSON.stringify(lobby.extra())) session.setExtra(lobby.extra());
    clearWires();
    stay(await session.openOrJoin(name, options));
  } catch (error) {
    log(error.message);
    if (error.code === "badPassword") lobby.askPassword();
    tell(`You are not in ${name}`, refused(error), ...(["unavailable", "lost"].includes(error.code) ? [["Try again", () => enter(name, options)]] : []));
  } finally {
    lobby.busy(false);
  }
  return undefined;
}

/** Another role wants another session. */
async function again() {
  session.onended = null;
  session.end();
  sessionStorage.removeItem(KEPT);
  await connect();
}

/** To send or to receive files by a code. */
async function byCode(way, code) {
  if (!session) return;
  untell();
  lobby.busy(true);
  try {
    if (JSON.stringify(session.extra) !== JSON.stringify(lobby.extra())) session.setExtra(lobby.extra());
    const known = code ?? await codes.freshCode();
    const enter = { recv: "join", send: code ? "openOrJoin" : "open" }[way];
    stay(await session[enter](codes.roomOf(known), codes.options(known)), { way, code: known });
  } catch (error) {
    log(error.message);
    // Somebody else has a code with this first word.
    if (error.code === "roomExists") return void await byCode(way, code);
    if (error.code === "noSuchRoom") tell("Nobody sends under this code", "Look at its first word, or let the sender begin first.", ["Try again", () => byCode(way, code)]);
    else tell("That did not come about", refused(error));
  } finally {
    lobby.busy(false);
  }
}

function stay(room, by = null) {
  meeting?.end();
  meeting = new Meeting(session, room, by);
  keep({ room: room.name });
  $("#lobby").hidden = true;
  $("#call").hidden = $("#bar").hidden = false;
  $("#call").focus();
  if (by) history.replaceState(null, "", codes.addressOf(by.way, by.code));
  else if (place().room !== room.name) history.replaceState(null, "", `#${encodeURIComponent(room.name).replaceAll("%2F", "/")}`);
  document.title = `${by ? "files" : room.name} · ortc`;
  log("entered", room.name);
}

/** Both of a call leave where they are, and meet in its room. */
async function meet(call) {
  const before = meeting?.room.name;
  toLobby();
  if (before) await session.leave(before).catch(() => {});
  try {
    stay(await call.enter());
  } catch (error) {
    tell("The call did not come about", refused(error));
  }
}

/** The other side has ended the call. */
function hungUp(call) {
  if (meeting?.room.name !== call.room) return;
  session.leave(call.room).catch(() => {});
  tell("The call has ended", "The other side has hung up.");
}

function toLobby() {
  if (!meeting) return;
  meeting.end();
  meeting = null;
  unring();
  keep({ room: undefined });
  $("#call").hidden = $("#bar").hidden = true;
  $("#lobby").hidden = false;
  document.title = "ortc · rooms";
  status("", "ready");
  for (const kind of KINDS) devices.mute(kind, false);
}

function over(reason, message) {
  const { name } = meeting.room;
  // The sender puts out whose code is wrong, perhaps before this side knows.
  const guessed = meeting.receivesByCode && reason === "ejected";
  toLobby();
  if (guessed) tell(...WRONG_CODE);
  else if (reason !== "left") tell(...closed(reason, message), ...(["ejected", "closed", "ownerLeft", "lost"].includes(reason) ? [["Enter again", () => enter(name)]] : []), ["To the lobby", () => {}]);
  (reason === "left" ? $("#enter button.main") : $("#news button")).focus({ preventScroll: true });
}

$("#hang-up").onclick = () => {
  if (!meeting) return;
  if (session.online) session.leave(meeting.room.name).catch(() => toLobby());
  else session.end();
};
// A page that is put aside must not keep its place in the room.
addEventListener("pagehide", () => {
  session?.end();
  sessionStorage.setItem(KEPT, JSON.stringify({ userid: kept().userid }));
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
addEventListener("hashchange", () => meeting || lobby.readAddress());

consoleLog.begin();
help.begin(() => session);
const asked = codes.codeIn(location.hash);
const known = lobby.readAddress();
codes.begin(byCode);
switches.begin();
if ((await connect()) && asked) {
  const code = await codes.readCode(asked.text);
  if (code) byCode(asked.way, code);
  else tell("That is no code", "A code has three words, like above-ladder-zebra. The address may be cut off.");
} else if (known && session) lobby.enter();
