// The line at the top: the state of the call and for how long it has been so.
import { $ } from "./dom.js";

let state = ["", "ready"];
let since = 0;

/** `name` is a state of a connection, or "" when there is none. */
export function status(name, text) {
  if (name === "connected" && state[0] !== "connected") since = performance.now();
  state = [name, text];
  tick();
}

export function tick() {
  const [name, text] = state;
  const seconds = Math.floor((performance.now() - since) / 1000);
  const time = name === "connected" ? ` · ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` : "";
  $("#status").dataset.state = name;
  const shown = $("#status span");
  if (shown.textContent !== text) shown.textContent = text;
  $("#status time").textContent = time;
}
