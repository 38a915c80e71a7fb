// The lobby: who comes, into which room, and what rooms there are.
import { $, element } from "../../page/dom.js";
import { freshRoom, place, settings } from "./address.js";
import * as features from "./features.js";
import { icon, nameOf, signButton } from "./people.js";
import { isSnapshot } from "./snapshot.js";
import * as whereabouts from "./whereabouts.js";

const KEY = "ortc name";
const MEDIA = {
  all: { audio: true, video: true, screen: true, data: true },
  audio: { audio: true, data: true },
  data: { data: true },
};

let host = null;
let shown = "";

/** `host` has `enter(room, options)`, `call(userid, user)`, and `rolesFree`. */
export function begin(of) {
  host = of;
  $("#role-field").hidden = !host.rolesFree;
}

export const role = () => ($("#role-field").hidden ? settings.role : $("#role").value);

/** What this user tells of itself. */
export function extra() {
  const { email, color } = place();
  const name = $("#name").value.trim() || "Guest";
  return { name, ...(email && { email: email.slice(0, 100) }), ...(color && { color: color.slice(0, 30) }), ...whereabouts.told() };
}

/** Fills in what the address says; true where it says who comes, so that nothing is left to ask. */
export function readAddress() {
  const { room, name, secret } = place();
  $("#secret").value = secret ?? $("#secret").value;
  $("#room").value = room || $("#room").value || freshRoom();
  $("#name").value = name ?? $("#name").value ?? "";
  if (!$("#name").value) $("#name").value = localStorage.getItem(KEY) ?? "";
  return Boolean(room && name);
}

const rules = () => ({
  session: { ...MEDIA[$("#media").value], direction: $("#direction").value },
  policy: {
    maxParticipantsAllowed: Math.max(1, Math.min(256, Math.round($("#places").value) - 1 || 19)),
    onePresenter: $("#one-presenter").checked, closeWhenOwnerLeaves: $("#close-with-owner").checked, hidden: $("#hidden").checked,
    features: features.chosen("#features"),
  },
});

export function enter(room = $("#room").value.trim(), password = $("#password").value) {
  if (!room) return $("#room").focus();
  localStorage.setItem(KEY, $("#name").value.trim());
  return host.enter(room, { ...(password && { password }), ...($("#secret").value && { secret: $("#secret").value }), ...rules() });
}

/** The room wants a password that is not there yet. */
export function askPassword() {
  $("#password").value = "";
  $("#password").focus();
}

export const busy = (on) => {
  const button = $("#enter button.main");
  button.disabled = on;
  button.textContent = on ? "Entering…" : "Enter the room";
};

const whatOf = (session) => [session.video && "picture", session.audio && "voice", session.screen && "screens", session.data && "chat"].filter(Boolean).join(", ");

export function showRooms(rooms, me) {
  const now = JSON.stringify(rooms);
  if (now === shown) return;
  shown = now;
  const at = document.activeElement?.closest?.("#rooms li")?.dataset.room;
  const sorted = [...rooms].sort((a, b) => a.sessionid.localeCompare(b.sessionid));
  $("#rooms").replaceChildren(...sorted.map((info) => card(info, me)));
  $("#no-rooms").hidden = rooms.length > 0;
  if (at) $(`#rooms li[data-room="${CSS.escape(at)}"] button`)?.focus();
}

function card({ sessionid, userid, extra, session, users, places, password }, me) {
  const owner = { userid, extra };
  const full = users >= places;
  const name = element("b", { textContent: sessionid });
  if (password) name.append(icon("lock"), element("span", { className: "unseen", textContent: " wants a password" }));
  const line = element(
    "li", {},
    element("div", {}, name, element("small", { textContent: `${nameOf(owner)} · ${users} of ${places} places · ${whatOf(session)}` })),
    element("div", { className: "row" }),
  );
  line.dataset.room = sessionid;
  if (isSnapshot(extra?.screenshot)) line.prepend(element("img", { src: extra.screenshot, alt: `a picture of ${nameOf(owner)}` }));
  const row = line.lastChild;
  if (userid !== me) row.append(signButton("ring", `call ${nameOf(owner)}`, () => host.call(userid, owner)));
  row.append(Object.assign(element("button", { type: "button", className: full ? "" : "main", textContent: full ? "Full" : "Join", disabled: full, onclick: () => join(sessionid, password) }), { ariaLabel: full ? `${sessionid} is full` : `join ${sessionid}` }));
  return line;
}

function join(room, password) {
  $("#room").value = room;
  if (password && !$("#password").value) {
    host.wantsPassword(room);
    return askPassword();
  }
  return enter(room);
}

features.boxes("#features");
$("#enter").onsubmit = (event) => {
  event.preventDefault();
  enter();
};
