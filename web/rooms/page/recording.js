// Who records the room: the action `x.recording`, which is told again to who comes later.
import { $ } from "../../page/dom.js";
import { announce } from "./notices.js";
import { nameOf } from "./people.js";

const by = new Map(); // user id → name

export function begin(session) {
  by.clear();
  session.handle("x.recording", ({ body, userid, extra }) => {
    const on = body?.on === true;
    if (on === by.has(userid)) return;
    if (on) by.set(userid, nameOf({ userid, extra }));
    else by.delete(userid);
    announce(`${nameOf({ userid, extra })} ${on ? "records this room" : "records this room no longer"}`);
    show();
  });
  show();
}

export const isBy = (userid) => by.has(userid);

export function gone(userid) {
  if (by.delete(userid)) show();
}

export function end() {
  by.clear();
  show();
}

function show() {
  const badge = $("#recorded");
  badge.hidden = !by.size;
  badge.textContent = by.size ? `recorded by ${[...by.values()].join(", ")}` : "";
}
