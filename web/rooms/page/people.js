// What is shown of a user: a name, a colour, what it is in the room.
import { element } from "../../page/dom.js";

const MOST = 60; // letters of a name

/** What a user calls itself, in any of the usual members. */
export function nameOf(user) {
  const extra = user?.extra ?? {};
  const told = [extra.name, extra.username, extra.fullname].find((name) => typeof name === "string" && name.trim());
  return (told ?? (typeof extra === "string" && extra ? extra : `Guest ${String(user?.userid ?? "").slice(0, 4)}`)).trim().slice(0, MOST);
}

/** Whether it only looks on: it says nothing, and what it says all the same is not taken. */
export const looksOn = (user) => user?.role === "inspector";

/** 0 to 359, the same for a user everywhere. */
export const hueOf = (userid) => [...userid].reduce((hue, letter) => (hue * 31 + letter.codePointAt(0)) % 360, 7);

export const initialsOf = (name) => name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase() || "?";

export function face(user) {
  const shown = element("span", { className: "face", textContent: initialsOf(nameOf(user)), ariaHidden: "true" });
  shown.style.setProperty("--hue", hueOf(user.userid));
  const { color } = user.extra ?? {};
  if (/^#[0-9a-f]{6}$/i.test(color)) shown.style.setProperty("--ring", color);
  return shown;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add(name);
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with a sign. */
export const signButton = (name, label, onclick, properties = {}) =>
  Object.assign(element("button", { type: "button", title: label, onclick, ...properties }, icon(name)), { ariaLabel: label });
