// Words of all who are in the room: the action `x.chat`.
import { $, element } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { announce } from "./notices.js";
import { nameOf } from "./people.js";
import { isSnapshot, snapshot } from "./snapshot.js";

const MOST = 500; // messages kept
const LETTERS = 4000; // of a message

let send = null;

/** A message that came, or an own one. Whatever it has is shown as text. */
function add(name, body, mine) {
  const text = typeof body?.text === "string" ? body.text.slice(0, LETTERS) : "";
  const picture = isSnapshot(body?.snapshot) ? body.snapshot : null;
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
      const taken = snapshot(picture());
      if (taken) body.snapshot = taken;
    }
    session.action("x.chat", body);
    add("", body, true);
  };
}

export function end() { send = null; }

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
