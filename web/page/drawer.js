// The drawer beside the call. Whoever opens it is taken into it, to what the panel names in
// `data-first`, and back to the button that opened it when it is shut.
import { $, all } from "./dom.js";

let tab = all("[data-tab]")[0]?.dataset.tab;
let from = null; // the button that opened it last

const opener = () => $(`[data-open="${tab}"]`) ?? from ?? $("[data-open]");
const first = (name) => $(`[data-panel="${name}"]`).dataset.first ?? `[data-tab="${name}"]`;

export const drawer = {
  get open() { return !$("#drawer").hidden; },
  shows: (name) => drawer.open && tab === name,

  show(name, focus = first(name)) {
    tab = name;
    $("#drawer").hidden = false;
    for (const button of all("[data-tab]")) {
      const chosen = button.dataset.tab === name;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      if (chosen) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    for (const panel of all("[data-panel]")) panel.hidden = panel.dataset.panel !== name;
    for (const button of all("[data-open]")) button.setAttribute("aria-expanded", String(button.dataset.open === name));
    $(`[data-open="${name}"]`)?.classList.remove("dot");
    $("#drawer").dispatchEvent(new CustomEvent("shown", { detail: name }));
    ($(focus) ?? $(`[data-tab="${name}"]`)).focus();
  },

  shut() {
    if (!drawer.open) return;
    const within = $("#drawer").contains(document.activeElement);
    $("#drawer").hidden = true;
    for (const button of all("[data-open]")) button.setAttribute("aria-expanded", "false");
    if (within) opener().focus();
  },
};

for (const button of all("[data-open]")) {
  button.onclick = () => {
    from = button;
    return drawer.shows(button.dataset.open) ? drawer.shut() : drawer.show(button.dataset.open);
  };
}
const tabs = all("[data-tab]");
for (const button of tabs) {
  const show = ({ dataset }) => drawer.show(dataset.tab, `[data-tab="${dataset.tab}"]`);
  button.onclick = () => show(button);
  button.onkeydown = ({ key }) => {
    const there = tabs.filter((tab) => !tab.classList.contains("off"));
    const at = there.indexOf(button);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[key];
    if (to !== undefined) show(there.at(to % there.length));
  };
}
$("#shut").onclick = () => drawer.shut();
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || !drawer.open || $("dialog[open]")) return;
  event.preventDefault();
  drawer.shut();
});
