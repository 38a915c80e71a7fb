// Codes of three words, by which `ortc send` and `ortc recv` meet: the first names the room, all three are
// the secret that both ends prove to know. The server learns the first.
import { $ } from "../../page/dom.js";
import { tell } from "./notices.js";

const COUNT = 3;
/** Wrong codes until the offer is gone. */
export const GUESSES = 3;

let words = null;
const list = async () => (words ??= (await (await fetch(new URL("../words.txt", import.meta.url))).text()).split("\n").filter(Boolean));

/** Takes words in any case, with `-` or spaces between, and their first four letters for them; null where it is no code. */
export async function readCode(text) {
  const said = String(text).trim().toLowerCase().split(/[-\s]+/);
  if (said.length !== COUNT) return null;
  const all = await list();
  const known = said.map((typed) => all.find((word) => word === typed) ?? (typed.length >= 4 ? all.find((word) => word.startsWith(typed)) : undefined));
  return known.every(Boolean) ? known.join("-") : null;
}

export async function freshCode() {
  const all = await list();
  // The list has 2^11 words, so that each has the same chance.
  return Array.from(crypto.getRandomValues(new Uint16Array(COUNT)), (number) => all[number % all.length]).join("-");
}

export const roomOf = (code) => `code/${code.split("-")[0]}`;

/** How a room of a code is entered, as the command does. */
export const options = (code) => ({ secret: code, session: { data: true }, policy: { hidden: true, maxParticipantsAllowed: 3 } });

/** `#/recv/a-b-c` or `#/send/a-b-c`: `{ way, text }`, or null. */
export function codeIn(hash) {
  const found = /^#\/(recv|send)\/(.+)$/.exec(hash);
  return found && { way: found[1], text: decodeURIComponent(found[2].replace(/%(?![0-9a-f]{2})/gi, "%25")) };
}

export const addressOf = (way, code) => `#/${way}/${code}`;

/** `go(way, code)`: `recv`, or `send` with no code for a new one. */
export function begin(go) {
  $("#by-code").onsubmit = async (event) => {
    event.preventDefault();
    const code = await readCode($("#code").value);
    if (code) return go("recv", code);
    tell("That is no code", "A code has three words, like above-ladder-zebra, as the sender shows them.");
    return $("#code").focus();
  };
  $("#send-by-code").onclick = () => go("send", null);
}

/** What the sender reads out. */
export function show(by) {
  const sends = by?.way === "send";
  $("#code-card").hidden = !sends;
  if (!sends) return;
  $("#code-shown").textContent = by.code;
  $("#code-command").textContent = `ortc recv ${by.code} --server ${location.origin}`;
}
