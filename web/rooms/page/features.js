// Which parts of the page a room has: `policy.features`, by their names. What is not named is there.
// `{ chat: false }` and `{ chat: { active: false } }` say the same.
import { $, all, element } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";

/** In the order in which they are listed and shown; parts of the page say `data-feature`, tiles are in room.css. */
export const FEATURES = {
  chat: "Chat", fileShare: "Files", timer: "Timer", draw: "Drawing", screenrecord: "Recording of screens", screenshare: "Screens",
  videoRecord: "Recording", snapshot: "Pictures that are taken",
  minmax: "Full screen and putting aside", mute: "Muting", hand: "Raised hands", text: "Text", reconnect: "Connecting anew", cursor: "Cursors",
  debug: "Wires", help: "Help", statistics: "Figures",
};

const isOff = (told) => told === false || told?.active === false;

/** The names of what this policy takes away. */
export const offIn = ({ features } = {}) => Object.keys(FEATURES).filter((name) => isOff(features?.[name]));

export const has = (name) => !document.documentElement.dataset.off?.split(" ").includes(name);

/** Hides what the room has not. */
export function follow(policy) {
  const off = policy ? offIn(policy) : [];
  document.documentElement.dataset.off = off.join(" ");
  for (const part of all("[data-feature]")) part.classList.toggle("off", off.includes(part.dataset.feature));
  const shown = all('[role="tab"]').find((tab) => tab.getAttribute("aria-selected") === "true");
  if (drawer.open && shown?.classList.contains("off")) drawer.show("people");
}

/** A box for each, by which they are chosen; `changed` is told what `policy.features` becomes. */
export function boxes(within, changed = () => {}) {
  $(within).replaceChildren(...Object.entries(FEATURES).map(([name, label]) => {
    const box = element("input", { type: "checkbox", checked: true, name, onchange: () => changed(chosen(within)) });
    return element("label", { className: "check" }, box, element("span", { textContent: label }));
  }));
}

export function showChosen(within, policy) {
  const off = offIn(policy);
  for (const box of all("input", $(within))) box.checked = !off.includes(box.name);
}

/** Those that are not wanted, as a policy says it. */
export const chosen = (within) => Object.fromEntries(all("input:not(:checked)", $(within)).map(({ name }) => [name, { active: false }]));
