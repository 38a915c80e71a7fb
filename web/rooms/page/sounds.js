// What is heard: each stream by an element of its own, whether or not its picture is shown.
import { element } from "../../page/dom.js";
import { tell, untell } from "./notices.js";

const FIRST = 1_000; // ms until a stream takes the place of another though nothing was heard of it
const all = new Map(); // stream id → element
let sink = "";
let blocked = false;

export function play(stream, id = stream.id) {
  const known = all.get(id);
  if (known?.srcObject === stream) return;
  const audio = element("audio", { autoplay: true, srcObject: stream });
  all.set(id, audio);
  if (sink) audio.setSinkId?.(sink).catch(() => {});
  // The same stream by another way: it is heard by the one of before until this one plays.
  const hush = () => { if (known) known.srcObject = null; };
  audio.addEventListener("playing", hush, { once: true });
  setTimeout(hush, FIRST);
  start(audio);
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
