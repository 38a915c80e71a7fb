// The word at the top: whether all goes well.
import { $ } from "../../page/dom.js";

/** `name` is that of a connection's state, or "". */
export function status(name, text) {
  $("#status").dataset.state = name;
  const shown = $("#status span");
  if (shown.textContent !== text) shown.textContent = text;
}
