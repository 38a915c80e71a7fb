// Whom to call, and what is said when a call does not come about or ends: each with the next step.
import { Call } from "./call.js";
import { clearChat } from "./chat.js";
import { devices, KINDS } from "./devices.js";
import { $, all } from "./dom.js";
import { drawer } from "./drawer.js";
import { invite, tell, uninvite, untell } from "./notices.js";
import { byBroadcast, byWebSocket } from "./signalling.js";
import { status, tick } from "./status.js";
import { clearWires } from "./wires.js";

const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const LENGTH = 8;
const STATES = { new: "connecting", searching: "connecting", connected: "connected", halted: "interrupted", closed: "ended" };
const query = new URLSearchParams(location.search);

let call = null;
export const current = () => call;

const freshName = () => [...crypto.getRandomValues(new Uint8Array(LENGTH))].map((byte) => LETTERS[byte % LETTERS.length]).join("");
const isName = (name) => name.length === LENGTH && [...name].every((letter) => LETTERS.includes(letter));

const WIRES = {
  rust: () => byWebSocket(`/call${location.search}`),
  tab: byBroadcast,
  link: (name) => byWebSocket(`/room/${name}`),
};

function linkTo(kind, name) {
  const url = new URL(location.pathname, location.href);
  url.searchParams.set(kind, name);
  for (const server of query.getAll("ice")) url.searchParams.append("ice", server);
  return url.href;
}

/** Calls Rust, or makes a link for another tab or person. */
export function begin(kind) {
  if (kind === "rust") return start({ kind });
  const name = freshName();
  start({ kind, name });
  if (kind === "tab" && !window.open(linkTo(kind, name), "_blank")) {
    tell("The browser has kept the second tab shut", "Open the link below in another tab of this browser.", ["All right", () => {}]);
  }
}

/** Follows a link that this page was opened by. */
export function follow() {
  for (const kind of ["tab", "link"]) {
    const name = query.get(kind);
    if (name === null) continue;
    if (isName(name)) start({ kind, name, guest: true });
    else over("This link is not whole", "Ask for it once more, or start a call of your own.", ["Start a new call", () => begin("link")]);
    return;
  }
}

async function start(plan) {
  const { kind, name, guest } = plan;
  const rust = kind === "rust";
  call?.close();
  untell();
  uninvite();
  clearChat();
  clearWires();
  const mine = new Call(WIRES[kind](name), host(plan));
  const before = $("#call").hidden;
  call = mine;
  $("#lobby").hidden = true;
  $("#call").hidden = $("#bar").hidden = false;
  if (before) $("#call").focus();
  status("searching", rust ? "connecting" : "waiting");
  if (!rust && !guest) showLink(plan);
  const answered = await mine.ready;
  if (call !== mine) return;
  if (answered) return mine.listen();
  const again = ["Try again", () => start(plan)];
  if (rust) mine.leave("No Rust peer here", "Start server/examples/browser_call, and open the page that it serves.", again);
  else mine.leave("The room cannot be reached", "The server of this page carries no calls, or has ended. It must be server/examples/browser_call.", again);
}

const showLink = ({ kind, name }) => invite(linkTo(kind, name), kind === "tab" ? "another tab of this browser" : "another browser");

/** What a call tells of itself, and what the user can do then. */
function host(plan) {
  const { kind, guest } = plan;
  const rust = kind === "rust";
  const again = () => start(plan);
  const fresh = ["Start a new call", () => begin(kind)];
  const hangUp = (mine) => ["Hang up", () => mine.leave()];
  let served = true; // whether signalling still goes
  return {
    rust,
    iceServers: query.getAll("ice").map((url) => ({ url })),
    over,

    met() {
      untell();
      uninvite();
    },

    alone(mine) {
      status("searching", "waiting");
      if (!guest) return;
      const where = kind === "tab" ? "It leads to another tab of the same browser, which may be shut by now." : "The other side may be late, or the link old.";
      tell("Nobody is here yet", `${where} You can wait, or start a call of your own.`, fresh, hangUp(mine));
    },

    left(mine) {
      status("searching", "waiting");
      tell("The other side has left", "You can wait: the same link leads here again.", hangUp(mine));
      if (!guest) showLink(plan);
    },

    full: (mine) => mine.leave("Two people are in this call already", "A link is for two. Try again when one has left, or start a call of your own.", ["Try again", again], fresh),
    busy: (mine) => mine.leave("The server has no room left", "Too many calls are waiting there. Try again later.", ["Try again", again]),

    lost(mine) {
      served = false;
      if (rust) return mine.leave("The connection to the server was lost", "It has ended, or the network has.", ["Call again", again]);
      if (mine.connected) return tell("The server is gone", "The call goes on without it; but whoever leaves cannot come back before it is there again.", ["All right", () => {}]);
      uninvite();
      status("closed", "no server");
      tell("The server is gone", "Nobody can come to this call before it is back.", ["Try again", again], hangUp(mine));
    },

    unreached(mine) {
      const retry = ["Try again", served ? () => mine.restart() : again];
      tell("No way to the other side", "A network in between lets nothing through, or the other side is gone.", retry, hangUp(mine));
    },

    changed(mine, state, reason) {
      status(state, STATES[state]);
      if (state === "connected") untell();
      if (state === "closed") {
        if (rust) mine.leave("The other side has ended the call", "", ["Call again", again]);
        else tell("The call has ended", reason === "DtlsFailed" ? "The other side is not who it says it is." : "The other side has closed it.", ["Call again", again], hangUp(mine));
      }
      if (state !== "halted") return;
      if (reason === "IceFailed") this.unreached(mine);
      else tell("The call is interrupted", "It goes on by itself as soon as something comes through again.", hangUp(mine));
    },
  };
}

/** Back in the lobby; with a word why, unless the user wanted it. */
function over(title, text, ...steps) {
  call = null;
  drawer.shut();
  uninvite();
  untell();
  $("#call").hidden = $("#bar").hidden = true;
  $("#lobby").hidden = false;
  status("", "ready");
  if (location.search) history.replaceState(null, "", location.pathname);
  for (const kind of KINDS) devices.mute(kind, false);
  if (title) tell(title, text, ...steps);
  (title ? $("#news button") : all(".choices button")[0]).focus({ preventScroll: true });
}

setInterval(() => {
  tick();
  call?.measure();
}, 500);
