// Calls from one user to another: ringing, accepting, and meeting in a room of the call.
import { announce, ring, tell, unring } from "./notices.js";
import { nameOf } from "./people.js";
import { CALLS } from "./words.js";

let session = null;
let enter = null;
let leave = null;
let entered = null; // the call that goes on
let shown = null; // the call that rings
let tone = null;

/** `enter(call)` goes to the room of an accepted call; `leave(call)` when the other side has ended it. */
export function begin(of, host) {
  session = of;
  ({ enter, leave } = host);
  session.addEventListener("callRequest", ({ call, userid, extra }) => {
    const name = nameOf({ userid, extra });
    if (session.calls.all.some((one) => one !== call && !one.over)) return call.busy();
    shown = call;
    ring(`${name} calls`, "If you accept, you two meet in a room of your own.", ["Accept", () => call.accept(), "main"], ["Reject", () => call.reject(), "bad"]);
    return sound(true);
  });
  session.addEventListener("callStatus", ({ call, status }) => status !== "ringing" && settled(call, status));
}

export function call(userid, user) {
  const name = nameOf(user ?? { userid });
  const mine = session.call(userid);
  shown = mine;
  ring(`Calling ${name}`, "It rings there.", ["Cancel", () => mine.cancel(), "bad"]);
  announce(`calling ${name}`);
  mine.user ??= user;
}

function settled(call, status) {
  if (shown === call) {
    unring();
    sound(false);
    shown = null;
  }
  if (status === "accepted") {
    entered = call;
    return enter(call);
  }
  if (entered === call) {
    entered = null;
    return call.byMe ? undefined : leave(call);
  }
  const name = nameOf(call.user ?? { userid: call.userid });
  if (status === "refused") tell(`${name} cannot be called`, `${call.reason}.`);
  else if (call.mine && status !== "cancelled") tell(`${name} ${CALLS[status] ?? status}`, "", ["Call again", () => callAgain(call)], ["All right", () => {}]);
  else if (!call.mine && ["cancelled", "timeout", "gone"].includes(status)) tell(`${name} has called`, "You can call back.", ["Call back", () => callAgain(call)], ["All right", () => {}]);
  return undefined;
}

const callAgain = ({ userid, user }) => call(userid, user);

/** Two soft tones, where the browser plays sound by itself. */
function sound(on) {
  if (!on) {
    tone?.close().catch(() => {});
    tone = null;
    return;
  }
  tone = new AudioContext();
  const gain = tone.createGain();
  gain.gain.value = 0;
  for (const hertz of [440, 554]) {
    const oscillator = tone.createOscillator();
    oscillator.frequency.value = hertz;
    oscillator.connect(gain).connect(tone.destination);
    oscillator.start();
  }
  for (let at = 0; at < 60; at += 3) gain.gain.setValueCurveAtTime([0, 0.06, 0.06, 0], tone.currentTime + at + 0.05, 1);
}
