// The link to a room, as text and as a QR code.
import { $ } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { addressOf } from "./codes.js";
import { qrPicture } from "./qr.js";

function linkTo({ name, secret }) {
  const url = new URL(location.href);
  for (const name of ["token", "role", "debug", "log", "simulcast"]) url.searchParams.delete(name);
  url.hash = encodeURIComponent(name).replaceAll("%2F", "/") + (secret ? `?secret=${encodeURIComponent(secret)}` : "");
  return url.href;
}

/** `by` is the code that the room is of. */
export function invite(room, by) {
  const link = by ? new URL(addressOf(by.way === "send" ? "recv" : "send", by.code), location.origin + location.pathname).href : linkTo(room);
  $("#link").value = link;
  const picture = qrPicture(link);
  $("#qr").replaceChildren(...(picture ? [picture] : []));
  $("#qr").hidden = !picture;
}

async function copy(button) {
  const label = button.textContent;
  $("#link").select();
  await navigator.clipboard?.writeText($("#link").value).catch(() => {});
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
}

for (const id of ["#copy", "#copy-alone"]) $(id).onclick = ({ currentTarget }) => currentTarget.textContent === "Copied" || copy(currentTarget);
$("#show-invitation").onclick = () => drawer.show("people", "#copy");
