// Small pictures as text: beside words, and in the list of rooms.
import { element } from "../../page/dom.js";

const FORM = /^data:image\/(?:webp|jpeg|png);base64,[A-Za-z0-9+/=]+$/;
const MOST = 44_000; // letters, which are 32 kB
const OWN = 12_000; // letters: what is told of a user has 16 KiB
const WIDTH = 160;

/** What is one of these, and nothing else. */
export const isSnapshot = (text) => typeof text === "string" && text.length <= MOST && FORM.test(text);

/** Of what a video shows; null where it shows nothing. */
export function snapshot(video) {
  if (!video?.videoWidth) return null;
  const canvas = element("canvas", { width: WIDTH, height: Math.round((WIDTH * video.videoHeight) / video.videoWidth) });
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  const url = canvas.toDataURL("image/webp", 0.6);
  return isSnapshot(url) && url.length < OWN ? url : null;
}
