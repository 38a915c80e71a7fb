// What time it is where somebody is, and roughly where that is: told by who wants to, shown beside names.
import { $ } from "../../page/dom.js";

const KEY = "ortc time"; // "yes" where the others may know the time zone
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** In degrees: some ten kilometres. */
const ROUGHLY = 0.1;

let session = null;
let place = null; // never kept: it holds for this visit

const rounded = (degrees) => Number((Math.round(degrees / ROUGHLY) * ROUGHLY).toFixed(1));

/** What is told of this user, with its permission alone. */
export const told = () => ({ ...($("#tell-time").checked && ZONE && { tz: ZONE }), ...(place && { place }) });

export function begin(of) { session = of; }
export function end() { session = null; }

function tell() {
  if (!session) return;
  const { tz, place, ...rest } = session.extra ?? {};
  session.setExtra({ ...rest, ...told() });
}

const clocks = new Map(); // time zone → formatter, or null where there is none of this name

function clockOf(tz) {
  if (typeof tz !== "string" || tz.length > 64) return null;
  if (!clocks.has(tz)) {
    let clock = null;
    try {
      clock = new Intl.DateTimeFormat([], { timeZone: tz, hour: "2-digit", minute: "2-digit" });
    } catch {
      // Others tell what they like.
    }
    if (clocks.size > 500) clocks.clear();
    clocks.set(tz, clock);
  }
  return clocks.get(tz);
}

/** The time there, in words; "" where it is not told. */
export function timeOf(user, now = new Date()) {
  const clock = clockOf(user?.extra?.tz);
  return clock ? `${clock.format(now)} there` : "";
}

/** Roughly where; "" where it is not told. */
export function placeOf(user) {
  const { lat, lon } = user?.extra?.place ?? {};
  const fits = (value, most) => typeof value === "number" && Math.abs(value) <= most;
  if (!fits(lat, 90) || !fits(lon, 180)) return "";
  return `near ${Math.abs(lat).toFixed(1)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(1)}° ${lon < 0 ? "W" : "E"}`;
}

function show(words = "") {
  $("#tell-place").textContent = place ? "Do not tell where I am" : "Tell roughly where I am";
  $("#place-said").textContent = place ? `The others see: ${placeOf({ extra: { place } })}.` : words;
}

$("#tell-time").checked = localStorage.getItem(KEY) === "yes";
$("#tell-time-zone").textContent = ZONE ?? "";
$("#tell-time").onchange = ({ target }) => {
  if (target.checked) localStorage.setItem(KEY, "yes");
  else localStorage.removeItem(KEY);
  tell();
};
$("#tell-place").hidden = !navigator.geolocation;
$("#tell-place").onclick = () => {
  if (place) {
    place = null;
    show();
    return tell();
  }
  show("Asking the browser…");
  return navigator.geolocation.getCurrentPosition(({ coords }) => {
    place = { lat: rounded(coords.latitude), lon: rounded(coords.longitude) };
    show();
    tell();
  }, ({ code }) => show(code === 1 ? "The browser does not let this page know where you are." : "The browser does not know where you are."), { maximumAge: 600_000, timeout: 20_000 });
};
