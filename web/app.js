// The page: whom to call, what comes, and what crosses. Everything about connections is in ortc.js.
import "./page/bar.js";
import { begin, current, follow } from "./page/calls.js";
import { note } from "./page/chat.js";
import { devices, KINDS } from "./page/devices.js";
import { $, element } from "./page/dom.js";
import { drawer } from "./page/drawer.js";

for (const kind of ["rust", "tab", "link"]) $(`#call-${kind}`).onclick = () => begin(kind);
$("#hang-up").onclick = () => current()?.leave();
$("#say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("#say input").value.trim();
  if (text) current()?.write(text);
  $("#say input").value = "";
};

function dial(digit) {
  const shown = $("#dialled");
  if (current()?.dial(digit)) shown.textContent = (shown.textContent + digit).slice(-14);
  else note("Digits need a microphone: they travel in its packets.");
}
for (const digit of "123456789*0#") $(".keys").append(element("button", { textContent: digit, onclick: () => dial(digit) }));
addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
  if (current() && drawer.shows("keypad") && target.tagName !== "INPUT" && !ctrlKey && !metaKey && !altKey && /^[0-9*#]$/.test(key)) dial(key);
});
// A page that is put aside must not keep the other side waiting; one that is taken out again is in the lobby.
addEventListener("pagehide", () => current()?.leave());

for (const kind of KINDS) devices.want(kind);
follow();
document.documentElement.dataset.ready = "yes";
