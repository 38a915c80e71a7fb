// Sharing a screen: one at a time where the room's rules say so.
import { $ } from "../../page/dom.js";
import { tell } from "./notices.js";
import { refused } from "./words.js";

let session = null;
let shared = null; // the LocalStream
let busy = false;

export function begin(of) {
  session = of;
  show();
}

export function end() {
  stop();
  session = null;
}

const room = () => session?.rooms[0];
export const screen = () => shared;

/** Somebody else presents, or nobody. */
export function presenterIs(userid) {
  if (shared && room()?.policy.onePresenter && userid && userid !== session.userid) {
    stop(false);
    tell("Your screen is no longer shared", "Somebody who may has taken the presenter's place.");
  }
  show();
}

export function show() {
  const button = $("#share-screen");
  const can = Boolean(navigator.mediaDevices?.getDisplayMedia);
  const there = room();
  const other = there?.policy.onePresenter && there.presenter && there.presenter !== session.userid && !there.governed;
  button.hidden = !can || there?.users.get(session.userid)?.role === "inspector";
  button.setAttribute("aria-pressed", String(Boolean(shared)));
  button.setAttribute("aria-disabled", String(Boolean(other)));
  const label = shared ? "stop sharing your screen" : other ? "somebody else shares a screen" : "share your screen";
  button.ariaLabel = button.title = label;
}

async function start() {
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 }, audio: true });
  } catch (error) {
    // Who changed their mind knows it.
    if (error.name !== "NotAllowedError") tell("The screen cannot be shared", `The browser says: ${error.message || error.name}. Another window or the whole screen may work.`);
    return;
  }
  if (!room()) return stream.getTracks().forEach((track) => track.stop());
  session.present(true);
  shared = session.addStream(stream, { session: { screen: true } });
  for (const track of stream.getVideoTracks()) track.addEventListener("ended", () => shared?.stream === stream && stop());
  show();
}

/** `free`: the presenter's place is given back. */
export function stop(free = true) {
  if (!shared) return;
  const { stream } = shared;
  const { id } = shared;
  shared = null;
  session.removeStream(id);
  for (const track of stream.getTracks()) track.stop();
  if (free && room()) session.present(false);
  show();
}

$("#share-screen").onclick = async () => {
  if (busy || !room()) return;
  if ($("#share-screen").getAttribute("aria-disabled") === "true") return tell("One at a time shares a screen", refused({ code: "presenterTaken" }));
  busy = true;
  if (shared) stop();
  else await start();
  busy = false;
};
