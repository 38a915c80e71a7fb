// Words: those of the two sides, and what the page has to say beside them.
import { $, element } from "./dom.js";
import { drawer } from "./drawer.js";

/** `kind` is "" for the other side's words, or "mine". */
export function word(text, kind) {
  const item = element("li", { className: kind, textContent: text });
  $("#messages").append(item);
  item.scrollIntoView({ block: "nearest" });
  if (!kind && !drawer.shows("chat")) $('[data-open="chat"]').classList.add("dot");
}

export const note = (text) => word(text, "note");

export function clearChat() {
  $("#messages").replaceChildren();
  $("#dialled").textContent = "";
  $('[data-open="chat"]').classList.remove("dot");
}
