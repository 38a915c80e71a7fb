// What is recorded here, and pictures that were taken: per person and screen, in the browser. All in the room
// are told that it is done: the action `x.recording`.
import { $, element } from "../../page/dom.js";
import { Recording } from "../recording.js";
import { sizeInWords } from "./file_row.js";
import { announce, tell } from "./notices.js";
import { download } from "./saving.js";
import * as upload from "./upload.js";
import { view } from "./viewer.js";

let session = null;
let note = () => {};
let told = false;
const running = new Map(); // key of a tile → Recording

export const isRecorded = (key) => running.has(key);

const inTime = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const stamp = () => new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", "-");

export function begin(of, noted) {
  [session, note] = [of, noted];
}

/** Somebody's channel has opened: it hears that this side records. */
export function tellTo(userid) { if (running.size) session.action("x.recording", { on: true }, { to: userid }); }

function say() {
  const on = running.size > 0;
  if (on === told || !session) return;
  told = on;
  session.action("x.recording", { on });
  note(on ? "You record, and all are told" : "You do not record any longer");
}

/** Starts to record a tile's stream, or ends it. */
export function toggle(key, name, stream) {
  const recording = running.get(key);
  if (recording) return void recording.stop();
  if (!stream) return tell("There is nothing to record", `${name} sends nothing now.`);
  try {
    follow(key, name, new Recording(stream));
  } catch (error) {
    tell("That is not recorded", `${error.message}.`);
  }
  return undefined;
}

function follow(key, name, recording) {
  running.set(key, recording);
  say();
  const [facts, doing] = [element("small"), element("div", { className: "doing" })];
  const row = element("li", {}, element("div", { className: "who" }, element("b", { textContent: name }), facts), doing);
  const button = (label, onclick, className = "") => Object.assign(element("button", { type: "button", textContent: label, onclick, className }), { ariaLabel: `${label}: ${name}` });
  const show = () => { facts.textContent = `${recording.running ? "being recorded" : "recorded"} · ${inTime(recording.duration)} · ${sizeInWords(recording.bytes)}`; };
  recording.addEventListener("change", show);
  doing.append(button("Stop", () => recording.stop(), "bad"));
  $("#recordings").prepend(row);
  show();
  const over = () => {
    running.delete(key);
    say();
  };
  recording.result.then(({ blob, recordingType }) => {
    over();
    show();
    offer(row, doing, button, `${name} ${stamp()}.${recordingType.split("/")[1]}`, blob, facts);
  }, (error) => {
    over();
    facts.textContent = error.message;
    doing.replaceChildren(button("Remove", () => row.remove()));
  });
}

function offer(row, doing, button, file, blob, facts) {
  const buttons = [button("View", () => view(file, blob)), button("Save", () => download(file, blob)), button("Remove", () => row.remove())];
  doing.replaceChildren(...buttons);
  const room = session?.rooms[0]?.name;
  if (!room || !upload.takes()) return;
  const before = facts.textContent;
  const again = button("To the server", () => {
    const sending = upload.leave(room, file, blob, (done) => { facts.textContent = `${before} · ${Math.floor(done * 100)} % are at the server`; });
    facts.textContent = `${before} · goes to the server`;
    doing.replaceChildren(button("Stop", () => sending.abort(), "bad"));
    doing.firstChild.focus();
    const over = (text, ...also) => {
      facts.textContent = `${before} · ${text}`;
      const had = doing.contains(document.activeElement);
      doing.replaceChildren(...buttons, ...also);
      if (had) buttons[0].focus();
      announce(`${file}: ${text}`);
    };
    sending.then(() => over("the server has it"), (error) => over(`not at the server: ${error.message}`, again));
  });
  doing.append(again);
}

/** A picture of what a video shows now, as it is. */
export function snap(name, video) {
  if (!video?.videoWidth) return tell("There is no picture", `${name} shows none now.`);
  const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    if (!blob) return;
    const doing = element("div", { className: "doing" });
    const row = element("li", {}, element("div", { className: "who" }, element("b", { textContent: name }), element("small", { textContent: `a picture · ${canvas.width}×${canvas.height} · ${sizeInWords(blob.size)}` })), doing);
    const button = (label, onclick) => Object.assign(element("button", { type: "button", textContent: label, onclick }), { ariaLabel: `${label}: picture of ${name}` });
    offer(row, doing, button, `${name} ${stamp()}.png`, blob, $("small", row));
    $("#recordings").prepend(row);
    announce(`A picture of ${name} is among the files`);
  }, "image/png");
  return undefined;
}

export function end() {
  for (const recording of running.values()) recording.stop();
  told = false;
  session = null;
}

/** A screen of this side's, which nobody else need see. */
$("#record-screen").onclick = async () => {
  if (running.has("own screen")) return running.get("own screen").stop();
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  } catch (error) {
    return error.name === "NotAllowedError" || tell("The screen cannot be recorded", `The browser says: ${error.message || error.name}.`);
  }
  toggle("own screen", "Screen", stream);
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  running.get("own screen")?.result.then(stop, stop);
  for (const track of stream.getVideoTracks()) track.addEventListener("ended", () => running.get("own screen")?.stop());
  return undefined;
};
$("#record-screen").hidden = !navigator.mediaDevices?.getDisplayMedia || !globalThis.MediaRecorder;
