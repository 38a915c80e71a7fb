// What people do together beside talking, as one: each has what it needs of the room's events.
import * as cursors from "./cursors.js";
import * as draw from "./draw.js";
import * as text from "./text.js";

const widgets = [draw, text, cursors];

export const begin = (session, room) => widgets.forEach((widget) => widget.begin(session, room));
export const end = () => widgets.forEach((widget) => widget.end());
/** A channel has opened; `looksOn` is that of an inspector. */
export const opened = (userid, looksOn) => widgets.forEach((widget) => widget.opened(userid, looksOn));
export const left = (userid) => widgets.forEach((widget) => widget.left(userid));
