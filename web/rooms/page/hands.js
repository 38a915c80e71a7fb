// Raised hands: the action `x.hand`, told again to who comes later.
import { $ } from "../../page/dom.js";
import { announce } from "./notices.js";
import { nameOf } from "./people.js";

let session = null;
const up = new Set(); // user ids
let changed = () => {};

export function begin(of, tell) {
  session = of;
  changed = tell;
  up.clear();
  session.handle("x.hand", ({ body, userid, extra }) => {
    const raised = body?.up === true;
    if (raised === up.has(userid)) return;
    if (raised) up.add(userid);
    else up.delete(userid);
    if (raised) announce(`${nameOf({ userid, extra })} raises a hand`);
    changed();
  });
  show();
}

export const isUp = (userid) => up.has(userid);
export const tellTo = (userid) => isUp(session.userid) && session.action("x.hand", { up: true }, { to: userid });
export const gone = (userid) => up.delete(userid);

export function end() {
  session = null;
  up.clear();
  show();
}

function show() {
  const raised = Boolean(session && isUp(session.userid));
  const button = $("#raise");
  button.setAttribute("aria-pressed", String(raised));
  button.ariaLabel = button.title = raised ? "take your hand down" : "raise your hand";
}

$("#raise").onclick = () => {
  if (!session) return;
  const raise = !isUp(session.userid);
  if (raise) up.add(session.userid);
  else up.delete(session.userid);
  session.action("x.hand", { up: raise });
  show();
  changed();
};
