// A timer that all in the room see: the action `x.timer`. Each tells who comes later what it has set.
import { $ } from "../../page/dom.js";
import { announce } from "./notices.js";
import { nameOf } from "./people.js";

let session = null;
let state = null; // { until, at, length, running, upwards } by this side's clock, `by` a user id
let shown = "";
let told = false;

const now = () => Date.now();
const left = ({ running, until, at }) => Math.max(0, until - (running ? now() : at));

function inWords(ms) {
  const seconds = Math.ceil(ms / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function begin(of) {
  session = of;
  state = null;
  session.handle("x.timer", ({ body, userid, extra }) => hear(body, userid, extra));
  show();
}

export function end() {
  session = state = null;
  show();
}

/** Somebody's channel has opened: it hears what this side has set. */
export function tellTo(userid) { if (state?.by === session.userid) say({ to: userid }); }

/** Who set the timer has left: the owner tells it from now on. */
export function adopt(userid, owned) { if (state?.by === userid && owned) state.by = session.userid; }

function say(options) {
  const { by: _, ...body } = state;
  session.action("x.timer", body, options);
}

function hear(body, userid, extra) {
  const offset = session.peers.find((peer) => peer.userid === userid)?.talk.offset ?? 0;
  const { until, at, length, running, upwards } = body ?? {};
  if (length === 0) {
    state = null;
    announce(`${nameOf({ userid, extra })} removed the timer`);
  } else {
    if (![until, at, length].every(Number.isFinite) || length < 0 || length > 86_400_000) return;
    const fresh = state === null;
    state = { until: until - offset, at: at - offset, length, running: running === true, upwards: upwards === true, by: userid };
    if (fresh) announce(`${nameOf({ userid, extra })} started a timer: ${inWords(left(state))}`);
  }
  show();
}

function set(next) {
  state = next && { ...next, by: session.userid };
  if (state) say();
  else session.action("x.timer", { until: now(), at: now(), length: 0, running: false, upwards: false });
  show();
}

function show() {
  const text = state ? inWords(state.upwards ? state.length - left(state) : left(state)) : "";
  if (text !== shown) {
    shown = text;
    $("#clock").textContent = text;
    $("#timer-shown").textContent = text || "0:00";
  }
  const over = state !== null && left(state) === 0;
  $("#clock").hidden = !state;
  $("#clock").classList.toggle("over", over);
  $("#timer-shown").classList.toggle("over", over);
  $("#timer-pause").textContent = state && !state.running ? "Go on" : "Pause";
  $("#timer-pause").disabled = !state || over;
  $("#timer-stop").disabled = !state;
  const by = state && session?.rooms[0]?.users.get(state.by);
  $("#timer-by").textContent = by ? `Set by ${state.by === session.userid ? "you" : nameOf(by)}.` : "";
  if (over && !told) announce("Time is up");
  told = over;
}

$("#timer").onsubmit = (event) => {
  event.preventDefault();
  const number = (id) => Math.max(0, Number($(id).value) || 0);
  const length = ((number("#hours") * 60 + number("#minutes")) * 60 + number("#seconds")) * 1000;
  if (!session || !length) return;
  set({ until: now() + length, at: now(), length, running: true, upwards: $("#upwards").checked });
};
$("#timer-pause").onclick = () => {
  const rest = left(state);
  set({ ...state, running: !state.running, at: now(), until: now() + rest });
};
$("#timer-stop").onclick = () => set(null);
setInterval(show, 250);
