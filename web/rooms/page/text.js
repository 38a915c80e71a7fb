// The text that all in the room edit.
import { $ } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { announce, tell } from "./notices.js";
import { looksOn, nameOf } from "./people.js";
import { download } from "./saving.js";

const area = $("#text");

let stay = null; // { text, waiting, difference }, where the text comes with its module
let shown = ""; // what the area was given last, or gave
let composing = false;
let behind = []; // what others changed meanwhile
const seen = new Set(); // who wrote since this side looked

const whenThere = (work) => stay && (stay.text ? work(stay.text) : stay.waiting.push(work));

export function begin(session, room) {
  seen.clear();
  const mine = (stay = { text: null, waiting: [] });
  session.handle("x.text", ({ body, userid }) => whenThere((text) => {
    if (looksOn(room.users.get(userid))) text.refused++;
    else text.hear(userid, body);
  }));
  const host = {
    say: (body, to) => looksOn(session) || session.action("x.text", body, { room: room.name, ...(to && { to }) }),
    changed: (delta, by) => {
      follow(delta);
      if (by) note(room.users.get(by));
    },
  };
  import("../widgets/text.js").then(({ SharedText, difference }) => {
    if (stay !== mine) return;
    Object.assign(mine, { text: new SharedText(host), difference });
    area.readOnly = $("#text-undo").disabled = looksOn(session);
    for (const work of mine.waiting.splice(0)) work(mine.text);
  }).catch(() => tell("No text", "Part of the page did not come from the server. Load it again."));
  put("");
}

export function end() {
  stay?.text?.end();
  stay = null;
  area.readOnly = true;
  put("");
}

export const opened = (userid, inspector) => whenThere((text) => text.opened(userid, inspector));
export const left = (userid) => whenThere((text) => text.left(userid));
export const current = () => stay?.text ?? null;

function note(user) {
  if (!user || seen.has(user.userid)) return;
  seen.add(user.userid);
  announce(`${nameOf(user)} writes`);
  if (!drawer.shows("text")) $("#tab-text").classList.add("dot");
}
$("#drawer").addEventListener("shown", ({ detail }) => {
  if (detail !== "text") return;
  $("#tab-text").classList.remove("dot");
  seen.clear();
});

// -- The area and the text

/** Shows a text, with the selection where it was meant. */
function put(value, start = 0, end = start) {
  const { scrollTop, selectionDirection } = area;
  shown = value;
  if (area.value !== value) {
    area.value = value;
    area.setSelectionRange(start, end, selectionDirection);
    area.scrollTop = scrollTop;
  }
  const count = [...value].length;
  $("#text-size").textContent = count ? `${count} ${count === 1 ? "character" : "characters"}` : "";
  for (const id of ["#copy-text", "#keep-text"]) $(id).disabled = !value;
}

/** Where a place is after a change of another. */
function moved(place, delta) {
  let at = 0;
  for (const { retain = 0, insert = "", delete: gone = 0 } of delta) {
    if (at < place) place += insert.length - Math.min(gone, place - at);
    at += retain + insert.length;
  }
  return place;
}

function follow(delta) {
  if (composing) return void behind.push(delta);
  put(stay.text.text, moved(area.selectionStart, delta), moved(area.selectionEnd, delta));
}

/** What was written goes into the text: only what is another, where others have moved it to. */
function commit() {
  if (!stay?.text || composing) return;
  const { selectionStart, selectionEnd, value } = area;
  const change = stay.difference(shown, value, selectionEnd);
  const place = (at) => behind.reduce(moved, at);
  const at = place(change.at);
  const deleted = place(change.at + change.deleted) - at;
  const fits = (!change.deleted && !change.inserted) || stay.text.edit({ at, deleted, inserted: change.inserted });
  const missed = behind.splice(0);
  if (!fits) tell("The text is too long", "It has room for 256,000 characters. Save it as a file, and begin another.");
  if (missed.length || !fits) {
    const after = at + (fits ? change.inserted.length : 0);
    put(stay.text.text, after);
  } else put(value, selectionStart, selectionEnd);
}

area.oninput = commit;
area.oncompositionstart = () => { composing = true; };
area.oncompositionend = () => {
  composing = false;
  commit();
};

// -- Taken back is what this side wrote, and nobody else.

const back = (again) => whenThere((text) => again ? text.redo() : text.undo());
area.onkeydown = (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "Z", "y"].includes(event.key)) return;
  event.preventDefault();
  back(event.key === "y" || event.shiftKey);
};
area.onbeforeinput = (event) => {
  if (!/^history(Undo|Redo)$/.test(event.inputType)) return;
  event.preventDefault();
  back(event.inputType === "historyRedo");
};
$("#text-undo").onclick = () => back(false);
$("#copy-text").onclick = async ({ currentTarget: button }) => {
  const label = button.textContent;
  if (label === "Copied") return;
  area.select();
  await navigator.clipboard?.writeText(area.value).catch(() => {});
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
};
$("#keep-text").onclick = () => download("text.txt", new Blob([area.value], { type: "text/plain" }));
