// Words of all who are in the room: the action `x.chat`.
import { $, element } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { announce } from "./notices.js";
import { nameOf } from "./people.js";

const MOST = 500; // messages kept
const LETTERS = 4000; // of a message
const PICTURE = /^data:image\/(?:webp|jpeg|png);base64,[A-Za-z0-9+/=]+$/;
const PICTURE_LETTERS = 44_000; // 32 kB
const WIDTH = 160;

let send = null;

/** A message that came, or an own one. Whatever it has is shown as text. */
function add(name, body, mine) {
  const text = typeof body?.text === "string" ? body.text.slice(0, LETTERS) : "";
  const picture = typeof body?.snapshot === "string" && body.snapshot.length <= PICTURE_LETTERS && PICTURE.test(body.snapshot) ? body.snapshot : null;
  if (!text && !picture) return;
  const item = element("li", { className: mine ? "mine" : "" });
  if (!mine) item.append(element("b", { textContent: name }));
  if (picture) item.append(element("img", { src: picture, alt: `a picture of ${mine ? "you" : name}` }));
  if (text) item.append(element("span", { textContent: text }));
  item.append(element("time", { textContent: new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) }));
  append(item);
  if (mine) return;
  announce(`${name}: ${text || "a picture"}`);
  if (!drawer.shows("chat")) $('[data-open="chat"]').classList.add("dot");
}

function append(item) {
  const list = $("#messages");
  list.append(item);
  if (list.children.length > MOST) list.firstChild.remove();
  item.scrollIntoView({ block: "nearest" });
}

/** Something that happened, between the words. */
export const note = (text) => append(element("li", { className: "note", textContent: text }));

export function begin(session, picture) {
  $("#messages").replaceChildren();
  session.handle("x.chat", ({ body, userid, extra }) => add(nameOf({ userid, extra }), body, false));
  send = (text) => {
    const body = { text };
    if ($("#with-picture").getAttribute("aria-pressed") === "true") {
      const snapshot = take(picture());
      if (snapshot) body.snapshot = snapshot;
    }
    session.action("x.chat", body);
    add("", body, true);
  };
}

export function end() { send = null; }

/** A small picture of what a video shows. */
function take(video) {
  if (!video?.videoWidth) return null;
  const canvas = element("canvas", { width: WIDTH, height: Math.round((WIDTH * video.videoHeight) / video.videoWidth) });
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  const url = canvas.toDataURL("image/webp", 0.6);
  return PICTURE.test(url) && url.length < 12_000 ? url : null;
}

$("#with-picture").onclick = ({ currentTarget }) => currentTarget.setAttribute("aria-pressed", String(currentTarget.getAttribute("aria-pressed") !== "true"));
$("#say").onsubmit = (event) => {
  event.preventDefault();
  const input = $("#say input");
  const text = input.value.trim();
  if (!send || (!text && $("#with-picture").getAttribute("aria-pressed") !== "true")) return;
  try {
    send(text);
    input.value = "";
  } catch (error) {
    note(`Not sent: ${error.message}.`);
  }
};
$("#shut").ownerDocument.querySelector("#drawer").addEventListener("shown", ({ detail }) => detail === "chat" && $("#messages").lastChild?.scrollIntoView({ block: "nearest" }));
