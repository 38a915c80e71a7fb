// Where the others' cursors are, over the drawing and the pictures, and on wish this side's own: the action `x.cursor`.
import { $, element } from "../../page/dom.js";
import { hueOf, looksOn, nameOf } from "./people.js";

const SIDE = 65_535;
const TELL = 50; // ms at least between two
const AGAIN = 1_000; // ms until one that stays is told again
const SHOWN = 3_000; // ms that one is shown which nothing is heard of

let session = null;
let room = null;
let here = null; // { over, x, y }, as it is
let told = null; // what the others know
let last = 0; // the number of what was told
let at = 0; // when
const others = new Map(); // user → { n, at, came, mark }

export function begin(of, within) {
  [session, room] = [of, within];
  session.handle("x.cursor", ({ body, userid }) => hear(userid, body));
}

export function end() {
  hide();
  for (const { mark } of others.values()) mark.remove();
  others.clear();
  session = room = here = told = null;
}

export const opened = () => {};
export function left(userid) {
  others.get(userid)?.mark.remove();
  others.delete(userid);
}

// -- This side's

const wanted = () => $("#show-cursor").checked && !looksOn(session);

function say(place) {
  [told, at, last] = [place, Date.now(), Math.max(last + 1, Date.now())];
  session.action("x.cursor", { n: last, ...(place && { at: place }) }, { room: room.name, lossy: true });
}

function hide() {
  here = null;
  if (session && told) say(null);
}

setInterval(() => {
  if (session && here && wanted() && (here !== told || Date.now() - at >= AGAIN)) say(here);
  show();
}, TELL);

/** What there is of a picture in its tile, which crops it or leaves bands beside it. */
function pictureOf(surface) {
  const { left, top, width, height } = surface.getBoundingClientRect();
  const video = surface.querySelector?.("video");
  if (!video?.videoWidth) return { left, top, width, height };
  const [wide, high] = [width / video.videoWidth, height / video.videoHeight];
  const scale = getComputedStyle(video).objectFit === "contain" ? Math.min(wide, high) : Math.max(wide, high);
  const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
  return { left: left + (width - w) / 2, top: top + (height - h) / 2, width: w, height: h };
}

/** One's own face is shown as in a mirror. */
const mirrored = (surface) => surface.matches(".tile.own:not(.screen)");

addEventListener("pointermove", (event) => {
  if (!session || !wanted()) return;
  const surface = event.target.closest?.("#canvas, .tile.picture, .tile.screen");
  const over = surface?.id === "canvas" ? "draw" : surface?.dataset.stream;
  if (!over) return void hide();
  const { left, top, width, height } = pictureOf(surface);
  const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
  if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return void hide();
  here = { over, x: Math.round((mirrored(surface) ? 1 - x : x) * SIDE), y: Math.round(y * SIDE) };
}, { passive: true });
document.documentElement.addEventListener("pointerleave", hide);
addEventListener("blur", hide);
$("#show-cursor").onchange = ({ target }) => target.checked || hide();

// -- The others'

const whole = (value, most) => Number.isSafeInteger(value) && value >= 0 && value <= most;

function hear(userid, body) {
  const { n, at } = body ?? {};
  const known = others.get(userid);
  const right = at === undefined || (typeof at?.over === "string" && at.over.length <= 128 && whole(at.x, SIDE) && whole(at.y, SIDE));
  if (!right || !whole(n, Number.MAX_SAFE_INTEGER) || known?.n >= n) return;
  others.set(userid, { n, at, came: Date.now(), mark: known?.mark ?? made(userid) });
  show();
}

function made(userid) {
  const mark = element("div", { className: "cursor", ariaHidden: "true" }, element("i"), element("span"));
  mark.style.setProperty("--hue", hueOf(userid));
  return mark;
}

function show() {
  for (const [userid, { at, came, mark }] of others) {
    const surface = at && Date.now() - came < SHOWN && surfaceOf(at.over);
    if (!surface) {
      mark.remove();
      continue;
    }
    const within = surface.id === "canvas" ? $("#paper") : surface;
    if (mark.parentNode !== within) within.append(mark);
    const name = nameOf(room.users.get(userid));
    if (mark.lastChild.textContent !== name) mark.lastChild.textContent = name;
    const around = within.getBoundingClientRect();
    const { left, top, width, height } = pictureOf(surface);
    const x = (mirrored(surface) ? 1 - at.x / SIDE : at.x / SIDE) * width + left - around.left;
    mark.style.transform = `translate(${x}px, ${(at.y / SIDE) * height + top - around.top}px)`;
    mark.classList.toggle("turned", x > around.width - 90);
  }
}

function surfaceOf(over) {
  if (over === "draw") return $("#panel-draw").hidden || $("#drawer").hidden ? null : $("#canvas");
  return document.querySelector(`#wall .tile[data-stream="${CSS.escape(over)}"]`);
}
