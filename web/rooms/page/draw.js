// The drawing that all in the room draw at.
import { $, all, element } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { Drawing, SIDE } from "../widgets/drawing.js";
import { announce } from "./notices.js";
import { looksOn, nameOf } from "./people.js";

const COLOURS = { ink: "#131a24", red: "#c22f36", orange: "#d9730d", green: "#1b7f4b", blue: "#2456c9", violet: "#7b3fb5", white: "#ffffff" };
const WIDTHS = { fine: 220, medium: 520, broad: 1600 };
const TELL = 50; // ms between what is told of a stroke that is drawn
const NEAR = 90; // what a point is at least away from the one before
const STEP = 1300; // of the pen by a key

let session = null;
let drawing = null;
let colour = COLOURS.ink;
let width = WIDTHS.medium;
let pen = null; // { stroke, waiting, last } while it is down
let keyPen = null; // where the keyboard's pen is
let drawn = false; // a frame is asked for
const seen = new Set(); // who drew since this side looked

const canvas = $("#canvas");

export function begin(of, room) {
  session = of;
  seen.clear();
  drawing = new Drawing({
    me: session.userid,
    present: (userid) => room.users.has(userid),
    say: (body, to) => looksOn(session) || session.action("x.draw", body, { room: room.name, ...(to && { to }) }),
    changed: (by) => {
      if (by !== session.userid) tell(room.users.get(by));
      show();
    },
  });
  session.handle("x.draw", ({ body, userid }) => {
    if (!drawing) return;
    if (looksOn(room.users.get(userid))) drawing.refused++;
    else drawing.hear(userid, body);
  });
  show();
}

export function end() {
  session = drawing = pen = keyPen = null;
  show();
}

export const opened = (userid, inspector) => drawing?.opened(userid, inspector);
export const left = (userid) => drawing?.left(userid);
export const current = () => drawing;

function tell(user) {
  if (!user || seen.has(user.userid)) return;
  seen.add(user.userid);
  announce(`${nameOf(user)} draws`);
  if (!drawer.shows("draw")) $("#tab-draw").classList.add("dot");
}

// -- The picture

function show() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    paint();
  });
}

function paint() {
  const strokes = drawing?.strokes ?? [];
  $("#undo").disabled = !drawing?.mine || looksOn(session);
  $("#wipe").disabled = !strokes.length || looksOn(session);
  $("#keep-drawing").disabled = !strokes.length;
  canvas.ariaLabel = strokes.length ? `drawing of ${strokes.length} ${strokes.length === 1 ? "stroke" : "strokes"}` : "empty drawing";
  $("#draw-hint").hidden = strokes.length > 0 || keyPen !== null;
  if ($("#panel-draw").hidden) return;
  const { clientWidth } = canvas;
  const wide = Math.max(1, Math.round(clientWidth * devicePixelRatio));
  if (canvas.width !== wide) Object.assign(canvas, { width: wide, height: Math.round((wide * 3) / 4) });
  paintOn(canvas, strokes);
  if (keyPen && document.activeElement === canvas) paintPen();
}

function paintOn({ width: wide, height: high }, strokes, context = canvas.getContext("2d")) {
  context.fillStyle = "#fff";
  context.fillRect(0, 0, wide, high);
  context.lineCap = context.lineJoin = "round";
  for (const { colour: ink, width: broad, points } of strokes) {
    if (!points.length) continue;
    context.strokeStyle = ink;
    context.lineWidth = Math.max(1, (broad / SIDE) * wide);
    context.beginPath();
    context.moveTo((points[0] / SIDE) * wide, (points[1] / SIDE) * high);
    // A line to where it begins is a dot.
    for (let at = points.length > 2 ? 2 : 0; at < points.length; at += 2) context.lineTo((points[at] / SIDE) * wide, (points[at + 1] / SIDE) * high);
    context.stroke();
  }
}

function paintPen() {
  const context = canvas.getContext("2d");
  const [x, y] = [(keyPen.x / SIDE) * canvas.width, (keyPen.y / SIDE) * canvas.height];
  context.strokeStyle = pen ? "#0b6e65" : "#556172";
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 9, 0, 7);
  context.moveTo(x - 14, y);
  context.lineTo(x + 14, y);
  context.moveTo(x, y - 14);
  context.lineTo(x, y + 14);
  context.stroke();
}

new ResizeObserver(show).observe(canvas);
$("#drawer").addEventListener("shown", ({ detail }) => {
  if (detail !== "draw") return;
  $("#tab-draw").classList.remove("dot");
  seen.clear();
  show();
});

// -- The pen

function put(x, y) {
  if (!pen) return;
  const { last } = pen;
  if (last && Math.abs(last.x - x) + Math.abs(last.y - y) < NEAR) return;
  pen.last = { x, y };
  pen.waiting.push(x, y);
  if (pen.stroke.full) {
    flush();
    pen.stroke = drawing.begin(colour, width);
    pen.waiting.push(last.x, last.y, x, y);
  }
}

function flush() {
  if (!pen?.waiting.length) return;
  try {
    pen.stroke.add(pen.waiting.splice(0));
  } catch (error) {
    console.warn(error); // Too much waits for somebody who is not reached: it is told again.
  }
}

const down = (x, y) => {
  if (!drawing || looksOn(session)) return;
  pen = { stroke: drawing.begin(colour, width), waiting: [], last: null };
  put(x, y);
  flush();
};
const up = () => {
  flush();
  pen = null;
  show();
};
setInterval(flush, TELL);

/** Where on the canvas, in its units. */
export function placeOf({ clientX, clientY }, within = canvas) {
  const { left: x, top: y, width: wide, height: high } = within.getBoundingClientRect();
  const part = (at, of) => Math.min(SIDE, Math.max(0, Math.round((at / of) * SIDE)));
  return [part(clientX - x, wide), part(clientY - y, high)];
}

canvas.onpointerdown = (event) => {
  if (event.button !== 0 || !event.isPrimary) return;
  canvas.setPointerCapture(event.pointerId);
  keyPen = null;
  down(...placeOf(event));
};
canvas.onpointermove = (event) => {
  if (!pen || !event.isPrimary) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) put(...placeOf(one));
  put(...placeOf(event));
};
canvas.onpointerup = canvas.onpointercancel = canvas.onlostpointercapture = () => pen && !keyPen && up();

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.onkeydown = (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    event.preventDefault();
    return void drawing?.undo();
  }
  const move = MOVES[event.key];
  if (!drawing || (!move && event.key !== " ") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keyPen ??= { x: SIDE >> 1, y: SIDE >> 1 };
  if (move) {
    const step = event.shiftKey ? STEP / 4 : STEP;
    const within = (at, by) => Math.round(Math.min(SIDE, Math.max(0, at + by * step)));
    keyPen = { x: within(keyPen.x, move[0]), y: within(keyPen.y, move[1]) };
    put(keyPen.x, keyPen.y);
  } else if (!event.repeat) {
    if (pen) up();
    else down(keyPen.x, keyPen.y);
    announce(pen ? "The pen is down" : "The pen is up");
  }
  show();
};
canvas.onblur = () => {
  if (keyPen && pen) up();
  keyPen = null;
  show();
};

// -- What it draws with

function choose(within, options, chosen, label) {
  const buttons = Object.entries(options).map(([name, value]) => {
    const button = element("button", { type: "button", title: name, ariaLabel: `${name} ${label}`, onclick: () => pick(button) }, element("i"));
    button.dataset.value = value;
    button.setAttribute("aria-pressed", String(value === chosen));
    return button;
  });
  const pick = (button) => {
    for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
    if (label === "pen") width = Number(button.dataset.value);
    else colour = button.dataset.value;
  };
  $(within).replaceChildren(...buttons);
}
choose("#colours", COLOURS, colour, "colour");
choose("#widths", WIDTHS, width, "pen");
for (const button of all("#colours button")) button.style.setProperty("--ink", button.dataset.value);
for (const button of all("#widths button")) button.style.setProperty("--size", `${4 + Number(button.dataset.value) / 110}px`);

$("#undo").onclick = () => drawing?.undo();
$("#wipe").onclick = () => drawing?.clear();
$("#keep-drawing").onclick = () => {
  const made = element("canvas", { width: 1600, height: 1200 });
  paintOn(made, drawing?.strokes ?? [], made.getContext("2d"));
  made.toBlob((blob) => {
    const url = URL.createObjectURL(blob);
    element("a", { href: url, download: "drawing.png" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  });
};
