// What a session carries and who sends to whom; names of users in their order.
import { fail } from "./errors.js";

const FLAGS = { oneway: "one-way", broadcast: "one-to-many", "many-to-many": "many-to-many" };
const DIRECTIONS = ["many-to-many", "one-to-many", "one-to-one", "one-way"];

/** The direction that a session says; one that says two is refused. */
export function directionOf(session = {}) {
  const said = Object.keys(FLAGS).filter((flag) => session[flag]).map((flag) => FLAGS[flag]);
  if (session.direction) said.unshift(session.direction);
  const [direction = "many-to-many", ...more] = said;
  if (!DIRECTIONS.includes(direction)) throw fail("badSession", `there is no direction ${direction}`);
  const other = more.find((one) => one !== direction);
  if (other) throw fail("badSession", `a session cannot be both ${direction} and ${other}`);
  return direction;
}

/** Whether one sends to the other; `from` and `to` say whether they own the room. */
export function sends(direction, from, to) {
  if (direction === "one-to-many") return from || to;
  return direction === "one-way" ? from : true;
}

const bytes = new TextEncoder();

/** Order by bytes: of two users the lesser is the caller. */
export function before(one, other) {
  const [a, b] = [bytes.encode(one), bytes.encode(other)];
  const at = a.findIndex((byte, at) => byte !== b[at]);
  return at < 0 ? a.length < b.length : at >= b.length ? false : a[at] < b[at];
}

/** What the tracks of a stream are. */
export const kindOf = (stream) => ({
  ...(stream.getAudioTracks().length && { audio: true }),
  ...(stream.getVideoTracks().length && { video: true }),
});
