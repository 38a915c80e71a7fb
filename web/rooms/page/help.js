// "Something does not work": a report for the operator of the server. Nothing is sent that was not shown before.
import { $, all, element } from "../../page/dom.js";
import { kept, scrubbed } from "./console_log.js";
import { sizeInWords } from "./file_row.js";
import { tell } from "./notices.js";
import { download } from "./saving.js";

const WIDE = 1280; // pixels
const TILE = [320, 180];
const MOST = 5 * 1024 * 1024; // letters

let taken = false; // whether the server takes reports
let sessionOf = () => null;
let picture = null;
let stats = null;

/** `session()` is the one of now; `config` what the server says. */
export function begin(session) { sessionOf = session; }
export function server(config) {
  taken = config?.reports === true;
  $("#help-send").hidden = !taken;
  $("#help-nobody").hidden = taken;
}

async function figures() {
  const peers = sessionOf()?.peers ?? [];
  const of = async (peer) => ({
    userid: peer.userid, state: peer.state, path: sessionOf().paths.of(peer) ?? null,
    stats: await peer.connection?.stats().catch(() => null) ?? null,
  });
  return { peers: await Promise.all(peers.slice(0, 16).map(of)) };
}

/** Exactly what is sent. */
function report() {
  const room = sessionOf()?.rooms[0]?.name;
  return {
    text: $("#help-text").value.trim().slice(0, 10_000),
    ...($("#help-room").checked && room && { room }),
    ...($("#help-log").checked && { agent: navigator.userAgent.slice(0, 1000), logs: kept() }),
    ...($("#help-figures").checked && stats && { stats }),
    ...(picture && { screenshot: picture }),
  };
}

function show() {
  const { screenshot, ...rest } = report();
  const text = JSON.stringify(rest, null, 2);
  $("#help-preview").textContent = screenshot ? text.replace(/\n}$/, ',\n  "screenshot": the picture below\n}') : text;
  $("#help-picture").replaceChildren(...(screenshot ? [element("img", { src: screenshot, alt: "the picture that is sent" })] : []));
  $("#help-no-picture").hidden = !screenshot;
  $("#help-size").textContent = sizeInWords(text.length + (screenshot?.length ?? 0));
}

async function open() {
  picture = stats = null;
  $("#help-said").textContent = "";
  $("#help-send").disabled = false;
  $("#help").showModal();
  show();
  // Letters of figures are this side's and of others: their addresses are not told.
  stats = JSON.parse(scrubbed(JSON.stringify(await figures())));
  show();
}

function drawn(width, height, draw) {
  const canvas = element("canvas", { width, height });
  draw(canvas.getContext("2d"), width, height);
  const url = canvas.toDataURL("image/webp", 0.75);
  picture = url.length < MOST && /^data:image\/(webp|png);/.test(url) ? url : null;
  show();
}

async function ofScreen() {
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ video: true });
  } catch (error) {
    $("#help-said").textContent = error.name === "NotAllowedError" ? "" : `The browser says: ${error.message || error.name}.`;
    return;
  }
  const video = element("video", { srcObject: stream, muted: true, playsInline: true });
  try {
    await video.play();
    while (!video.videoWidth) await new Promise((resolve) => setTimeout(resolve, 50));
    const scale = Math.min(1, WIDE / video.videoWidth);
    drawn(Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale), (canvas, width, height) => canvas.drawImage(video, 0, 0, width, height));
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

/** The pictures of the people, as they are on this page. */
function ofTiles() {
  const tiles = all(".tile video").filter((video) => video.videoWidth && !video.closest("[hidden]"));
  if (!tiles.length) {
    $("#help-said").textContent = "There are no pictures on this page now.";
    return;
  }
  const columns = Math.min(4, Math.ceil(Math.sqrt(tiles.length)));
  const [wide, high] = TILE;
  drawn(columns * wide, Math.ceil(tiles.length / columns) * high, (canvas) => tiles.forEach((video, at) => {
    const [x, y] = [(at % columns) * wide, Math.floor(at / columns) * high];
    const scale = Math.min(wide / video.videoWidth, high / video.videoHeight);
    const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
    canvas.drawImage(video, x + (wide - w) / 2, y + (high - h) / 2, w, h);
  }));
}

async function send() {
  $("#help-send").disabled = true;
  const answer = await fetch("/report", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(report()) }).catch(() => null);
  const told = await answer?.json().catch(() => null);
  $("#help-send").disabled = false;
  if (answer?.status !== 201) {
    $("#help-said").textContent = `It was not sent: ${told?.error ?? "the server cannot be reached"}. It can be saved as a file.`;
    return;
  }
  $("#help").close();
  $("#help-text").value = "";
  tell("The report is with the operator", `Its number is ${told.id}.`);
}

for (const button of all("[data-help]")) button.onclick = open;
for (const box of ["#help-text", "#help-room", "#help-log", "#help-figures"]) $(box).oninput = show;
$("#help-screen").hidden = !navigator.mediaDevices?.getDisplayMedia;
$("#help-screen").onclick = ofScreen;
$("#help-tiles").onclick = ofTiles;
$("#help-no-picture").onclick = () => {
  picture = null;
  show();
};
$("#help-save").onclick = () => download("report.json", new Blob([JSON.stringify(report(), null, 2)], { type: "application/json" }));
$("#help-shut").onclick = () => $("#help").close();
$("#help-form").onsubmit = (event) => {
  event.preventDefault();
  if (taken) send();
};
