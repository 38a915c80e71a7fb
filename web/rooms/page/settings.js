// Devices, how much of the line is used, and the rules of the room.
import { devices } from "../../page/devices.js";
import { $, element } from "../../page/dom.js";
import * as features from "./features.js";
import { tell } from "./notices.js";
import * as sounds from "./sounds.js";
import * as whereabouts from "./whereabouts.js";

const VIDEO = [64, 128, 256, 600, 1200, 2500, null]; // kbit/s
const AUDIO = [16, 32, 50, 96, null];
const inWords = (rate) => (rate === null ? "no limit" : rate >= 1000 ? `${rate / 1000} Mb/s` : `${rate} kb/s`);
const SELECTS = { audioinput: "#choose-audio", videoinput: "#choose-video", audiooutput: "#choose-speaker" };
const KINDS = { audioinput: "audio", videoinput: "video" };
const NAMES = { audioinput: "Microphone", videoinput: "Camera", audiooutput: "Loudspeaker" };

let session = null;

/** What the sliders say, in kbit/s. */
export const bandwidth = () => ({ video: VIDEO[$("#rate-video").value], audio: AUDIO[$("#rate-audio").value] });

export function begin(of) {
  session = of;
  session.setBandwidth(bandwidth());
  session.setIncoming(incoming());
  whereabouts.begin(of);
  showPolicy();
}

export function end() {
  session = null;
  whereabouts.end();
  features.follow();
}

/** The rules of the room, for who may change them. */
export function showPolicy() {
  const room = session?.rooms[0];
  features.follow(room?.policy);
  $("#policy").hidden = !room?.governed;
  if (!room) return;
  const { policy } = room;
  if (document.activeElement !== $("#policy-places")) $("#policy-places").value = policy.maxParticipantsAllowed + 1;
  $("#policy-presenter").checked = policy.onePresenter;
  $("#policy-close").checked = policy.closeWhenOwnerLeaves;
  features.showChosen("#policy-features", policy);
}

async function listDevices() {
  const there = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
  for (const [kind, selector] of Object.entries(SELECTS)) {
    const found = there.filter((one) => one.kind === kind);
    const select = $(selector);
    const options = found.map(({ deviceId, label }, at) => element("option", { value: deviceId, textContent: label || `${NAMES[kind]} ${at + 1}` }));
    if (!options.length) options.push(element("option", { value: "", textContent: kind === "audiooutput" ? "as the system has it" : "none found" }));
    select.replaceChildren(...options);
    select.value = (kind in KINDS ? devices.chosen(KINDS[kind]) : sounds.chosen()) || select.options[0].value;
    if (select.selectedIndex < 0) select.selectedIndex = 0; // A track may be of no device.
    select.disabled = options.length < 2;
  }
  $("#speaker-field").hidden = !("setSinkId" in HTMLMediaElement.prototype);
}

const TAKEN = ["audio", "video", "screen"];
/** Pictures come when there is a tile for them. */
const incoming = () => Object.fromEntries(TAKEN.map((kind) => [kind, $(`#take-${kind}`).checked && (kind === "video" ? "asked" : true)]));
for (const kind of TAKEN) $(`#take-${kind}`).onchange = () => session?.setIncoming(incoming());

/** What this side sends: names of kinds. */
export function showGiven(names) {
  const text = names.join(", ") || "nothing";
  if ($("#given").textContent !== text) $("#given").textContent = text;
}

for (const [kind, device] of Object.entries(KINDS)) $(SELECTS[kind]).onchange = ({ target }) => devices.choose(device, target.value);
$("#choose-speaker").onchange = ({ target }) => sounds.choose(target.value).catch((error) => tell("The loudspeaker cannot be used", `The browser says: ${error.message}. Choose another.`));
navigator.mediaDevices?.addEventListener?.("devicechange", listDevices);
devices.addEventListener("change", listDevices);

function sayRates() {
  const { video, audio } = bandwidth();
  $("#rate-video-shown").textContent = inWords(video);
  $("#rate-audio-shown").textContent = inWords(audio);
  for (const [id, rate] of [["#rate-video", video], ["#rate-audio", audio]]) $(id).setAttribute("aria-valuetext", inWords(rate));
}
for (const id of ["#rate-video", "#rate-audio"]) {
  $(id).oninput = sayRates;
  $(id).onchange = () => session?.setBandwidth(bandwidth());
}
sayRates();

$("#policy-places").onchange = ({ target }) => session?.setPolicy({ maxParticipantsAllowed: Math.max(1, Math.round(target.value) - 1) });
$("#policy-presenter").onchange = ({ target }) => session?.setPolicy({ onePresenter: target.checked });
$("#policy-close").onchange = ({ target }) => session?.setPolicy({ closeWhenOwnerLeaves: target.checked });
features.boxes("#policy-features", (chosen) => session?.setPolicy({ features: chosen }));
$("#reconnect").onclick = () => { for (const { connection } of session?.peers ?? []) connection?.restart().catch(() => {}); };
$("#close-room").onclick = () => tell("End the room for all?", "Everybody is put out, and the room is gone.", ["End it", () => session?.close().catch(() => {}), "bad"], ["Keep it", () => {}]);
