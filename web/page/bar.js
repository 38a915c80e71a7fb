// The buttons for microphone and camera, in the lobby and in a call. They show what the tracks are,
// and are never dead: where there is no device, they ask for one.
import { $ } from "./dom.js";
import { devices, KINDS } from "./devices.js";

const BUTTONS = { audio: "#mute-mic", video: "#mute-camera" };
const BOXES = { audio: "#use-mic", video: "#use-camera" };
const NAMES = { audio: "microphone", video: "camera" };

function show() {
  for (const kind of KINDS) {
    const state = devices.state(kind);
    const button = $(BUTTONS[kind]);
    button.dataset.state = state;
    button.setAttribute("aria-pressed", String(state !== "live" && state !== "silenced"));
    button.setAttribute("aria-busy", String(state === "asking"));
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

devices.addEventListener("change", show);
for (const kind of KINDS) {
  $(BOXES[kind]).onchange = ({ target }) => devices.want(kind, target.checked);
  $(BUTTONS[kind]).onclick = () => {
    switch (devices.state(kind)) {
      case "asking": return undefined;
      case "absent":
        devices.mute(kind, false);
        return devices.want(kind);
      case "muted": return devices.mute(kind, false);
      default: return devices.mute(kind, true);
    }
  };
}
