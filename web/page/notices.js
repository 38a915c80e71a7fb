// What the user must know, and the next steps: of the devices, and of the call.
import { $, element } from "./dom.js";
import { devices } from "./devices.js";
import { explain } from "./troubles.js";

/** `steps` are pairs of a label and what it does; each of them ends the notice. */
export function tell(title, text, ...steps) {
  const box = $("#news");
  $("b", box).textContent = title;
  $("p", box).textContent = text;
  $(".steps", box).replaceChildren(...steps.map(([label, act]) => element("button", {
    textContent: label,
    onclick: () => {
      untell();
      act();
      keepFocus();
    },
  })));
  box.hidden = false;
}

export const untell = () => {
  const had = $("#news").contains(document.activeElement);
  $("#news").hidden = true;
  if (had) keepFocus();
};

/** Where the focused button is gone, the keyboard goes on in what is shown. */
function keepFocus() {
  const { activeElement } = document;
  if (!activeElement || activeElement === document.body || activeElement.closest("[hidden]")) $("main:not([hidden])")?.focus();
}

/** The way to this call for the other side; `where` says where it opens. */
export function invite(url, where) {
  $("#invite input").value = url;
  $("#invite p").textContent = `Open this link in ${where}:`;
  $("#invite").hidden = false;
}

export const uninvite = () => {
  $("#invite").hidden = true;
};

$("#copy").onclick = async () => {
  $("#invite input").select();
  await navigator.clipboard?.writeText($("#invite input").value).catch(() => {});
  $("#copy").textContent = "Copied";
  setTimeout(() => { $("#copy").textContent = "Copy"; }, 1500);
};

// -- Devices

devices.addEventListener("change", () => {
  const troubles = devices.failures.map(([error, kinds]) => explain(error, kinds));
  const box = $("#trouble");
  const text = troubles.map(([, help]) => help).join(" ");
  const title = troubles.map(([what]) => what).join(" · ");
  // An alert that says the same is not read out again.
  if ($("b", box).textContent !== title) $("b", box).textContent = title;
  if ($("p", box).textContent !== text) $("p", box).textContent = text;
  const had = box.contains(document.activeElement);
  box.hidden = !troubles.length;
  if (had) keepFocus();
});
$("#try-again").onclick = () => devices.retry();
$("#go-without").onclick = () => devices.resign();
