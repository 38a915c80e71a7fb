// The buttons for microphone and camera, in the lobby and in a room. They show what the tracks are,
// and are never dead: where there is no device, they ask for one.
import { devices, KINDS } from "../../page/devices.js";
import { $ } from "../../page/dom.js";

const BUTTONS = { audio: "#mute-mic", video: "#mute-camera" };
const BOXES = { audio: "#use-mic", video: "#use-camera" };
const NAMES = { audio: "microphone", video: "camera" };
const ICONS = { audio: "mic", video: "camera" };
const KEY = "ortc without";

function show() {
  for (const kind of KINDS) {
    const state = devices.state(kind);
    const button = $(BUTTONS[kind]);
    const off = state !== "live" && state !== "silenced";
    button.dataset.state = state;
    button.setAttribute("aria-pressed", String(off));
    button.setAttribute("aria-busy", String(state === "asking"));
    $("use", button).setAttribute("href", `#i-${ICONS[kind]}${off ? "-off" : ""}`);
    const name = NAMES[kind];
    const label = {
      live: `mute ${name}`, muted: `mute ${name}`, absent: `${name} is off: switch it on`, asking: `${name}: asking the browser`,
      silenced: `mute ${name} (your system has silenced it)`,
    }[state];
    button.setAttribute("aria-label", label);
    button.title = label;
    $(BOXES[kind]).checked = devices.wanted(kind);
  }
  const camera = devices.tracks.filter((track) => track.kind === "video");
  const preview = $("#preview");
  if (preview.srcObject?.getVideoTracks()[0] !== camera[0]) preview.srcObject = camera.length ? new MediaStream(camera) : null;
  $(".preview .tile").classList.toggle("live", camera.length > 0);
}

function toggle(kind) {
  switch (devices.state(kind)) {
    case "asking": return undefined;
    case "absent":
      devices.mute(kind, false);
      return devices.want(kind);
    case "muted": return devices.mute(kind, false);
    default: return devices.mute(kind, true);
  }
}

/** Asks for what was used the last time, at first for both. */
export function begin() {
  const without = (localStorage.getItem(KEY) ?? "").split(" ");
  for (const kind of KINDS) if (!without.includes(kind)) devices.want(kind);
  show();
}

devices.addEventListener("change", show);
for (const kind of KINDS) {
  $(BOXES[kind]).onchange = ({ target }) => {
    devices.want(kind, target.checked);
    localStorage.setItem(KEY, KINDS.filter((one) => !$(BOXES[one]).checked).join(" "));
  };
  $(BUTTONS[kind]).onclick = () => toggle(kind);
}
