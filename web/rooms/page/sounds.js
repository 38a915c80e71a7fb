// What is heard: each stream by an element of its own, whether or not its picture is shown.
import { element } from "../../page/dom.js";
import { tell, untell } from "./notices.js";

const FIRST = 1_000; // ms between looks whether a stream that another takes the place of has ended
const all = new Map(); // stream id → element
let sink = "";
let blocked = false;

export function play(stream, id = stream.id) {
  const known = all.get(id);
  if (known?.srcObject === stream) return;
  const audio = element("audio", { autoplay: true, srcObject: stream });
  all.set(id, audio);
  if (sink) audio.setSinkId?.(sink).catch(() => {});
  start(audio);
  if (known) replace(known, audio, id);
}

/** The same stream by another way: it is heard by the one of before until this one plays, or that one has ended. */
function replace(known, audio, id) {
  const hush = () => { known.srcObject = null; };
  audio.addEventListener("playing", hush, { once: true });
  const look = () => {
    if (!known.srcObject) return;
    if (all.get(id) !== audio || audio.paused || known.srcObject.getAudioTracks().every(({ readyState }) => readyState === "ended")) hush();
    else setTimeout(look, FIRST);
  };
  setTimeout(look, FIRST);
}

/** Without a gesture a browser may keep silent. */
function start(audio) {
  audio.play().catch(({ name }) => {
    if (name !== "NotAllowedError" || blocked) return;
    blocked = true;
    const sound = () => {
      if (!blocked) return;
      blocked = false;
      untell();
      for (const one of all.values()) one.play().catch(() => {});
    };
    tell("The browser keeps silent", "It wants a click before it plays sound.", ["Play sound", sound]);
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, sound, { once: true });
  });
}

export function stop(id) {
  const audio = all.get(id);
  if (audio) audio.srcObject = null;
  all.delete(id);
}

/** By this loudspeaker from now on. */
export function choose(id) {
  sink = id;
  return Promise.all([...all.values()].map((audio) => audio.setSinkId?.(id)));
}

export const chosen = () => sink;
