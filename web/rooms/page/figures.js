// Figures of each connection: the way, round-trip time, rates and losses, with a curve of the rate.
import { $, element } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { nameOf } from "./people.js";

const HISTORY = 40; // points of a curve
const histories = new Map(); // user id → rates

const rate = (kbits) => (kbits >= 1000 ? `${(kbits / 1000).toFixed(2)} Mb/s` : `${kbits} kb/s`);

export function showFigures(session, room) {
  for (const peer of room.peers) {
    const path = session.paths.of(peer);
    if (path?.kind) histories.set(peer.userid, [...(histories.get(peer.userid) ?? []), path.rateIn].slice(-HISTORY));
  }
  if (!drawer.shows("stats")) return;
  const rows = room.peers.map((peer) => [peer, session.paths.of(peer)]).filter(([, path]) => path?.kind);
  $("#no-figures").hidden = rows.length > 0;
  $("#figures").replaceChildren(...rows.map(([peer, path]) => {
    const video = path.rows.filter(({ kind }) => kind === "video");
    const codecs = [...new Set(path.rows.map(({ codec }) => codec).filter((codec) => codec && codec !== "rtx"))].join(", ");
    const facts = {
      way: path.kind === "hub" ? "by the server" : path.kind === "relayed" ? `relayed (${path.local} → ${path.remote})` : `direct (${path.local} → ${path.remote})`,
      protocol: path.protocol ?? "–",
      "round trip": path.roundTrip === null ? "–" : `${path.roundTrip} ms`,
      received: rate(path.rateIn), sent: rate(path.rateOut),
      lost: `${((100 * path.lost) / Math.max(1, path.received + path.lost)).toFixed(1)} %`,
      codecs: codecs || "–",
      ...(video.length && { pictures: video.filter((row) => row.frameWidth).map((row) => `${row.frameWidth}×${row.frameHeight} · ${Math.round(row.framesPerSecond ?? 0)} fps`).join(", ") || "–" }),
    };
    return element(
      "li", {},
      element("b", { textContent: nameOf(peer.user) }), curve(histories.get(peer.userid) ?? []),
      element("dl", {}, ...Object.entries(facts).map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })))),
    );
  }));
}

function curve(values) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ class: "spark", viewBox: "0 0 104 32", preserveAspectRatio: "none", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const top = Math.max(100, ...values) * 1.1;
  const points = values.map((value, at) => `${((at + HISTORY - values.length) * 104) / (HISTORY - 1)},${(31 - (value / top) * 30).toFixed(1)}`);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

export function clear() {
  histories.clear();
  $("#figures").replaceChildren();
  $("#no-figures").hidden = false;
}
