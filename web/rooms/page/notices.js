// What the user must know, and the next steps.
import { devices } from "../../page/devices.js";
import { $, element } from "../../page/dom.js";
import { explain } from "../../page/troubles.js";

function fill(box, title, text, steps = []) {
  $("b", box).textContent = title;
  $("p", box).textContent = text;
  $(".steps", box)?.replaceChildren(...steps.map(([label, act, kind = ""]) => element("button", {
    textContent: label,
    className: kind,
    onclick: () => {
      hide(box);
      act();
      keepFocus();
    },
  })));
  box.hidden = false;
}

function hide(box) {
  const had = box.contains(document.activeElement);
  box.hidden = true;
  if (had) keepFocus();
}

/** Where the focused button is gone, the keyboard goes on in what is shown. */
function keepFocus() {
  const { activeElement } = document;
  if (!activeElement || activeElement === document.body || activeElement.closest("[hidden]")) $("main:not([hidden])")?.focus();
}

/** `steps` are pairs of a label and what it does; each of them ends the notice. */
export const tell = (title, text, ...steps) => fill($("#news"), title, text, steps.length ? steps : [["All right", () => {}]]);
export const untell = () => hide($("#news"));

/** Signalling is away, or back. */
export const away = (title, text) => fill($("#away"), title, text);
export const back = () => hide($("#away"));

/** Somebody calls. */
export function ring(title, text, ...steps) {
  fill($("#ring"), title, text, steps);
  $("#ring button").focus();
}
export const unring = () => hide($("#ring"));

/** For those who do not see: who comes and goes, and what is said. */
export function announce(text) { $("#live").textContent = text; }

devices.addEventListener("change", () => {
  const troubles = devices.failures.map(([error, kinds]) => explain(error, kinds));
  const box = $("#trouble");
  const text = troubles.map(([, help]) => help).join(" ");
  const title = troubles.map(([what]) => what).join(" · ");
  // An alert that says the same is not read out again.
  if ($("b", box).textContent !== title) $("b", box).textContent = title;
  if ($("p", box).textContent !== text) $("p", box).textContent = text;
  if (troubles.length) box.hidden = false;
  else hide(box);
});
$("#try-again").onclick = () => devices.retry();
$("#go-without").onclick = () => devices.resign();
