// What the page's address says: the room, who comes, and how the page behaves.
import { randomId } from "../ids.js";

const query = new URLSearchParams(location.search);

/** `#ID?name=aa&email=…`, where the part after the question mark may be absent. */
export function placeOf(hash) {
  if (hash.startsWith("#/")) hash = ""; // A code: see codes.js.
  const [id, ...rest] = hash.replace(/^#/, "").split("?");
  const told = new URLSearchParams(rest.join("?"));
  let room = id;
  try {
    room = decodeURIComponent(id);
  } catch {
    // As it stands, then.
  }
  // Browsers do not send what stands behind the hash: a secret stays between those who have the link.
  return { room: room.trim().slice(0, 128), name: told.get("name"), email: told.get("email"), color: told.get("color"), secret: told.get("secret"), token: told.get("token") };
}

export const place = () => placeOf(location.hash);
export const settings = {
  debug: query.has("debug"),
  log: query.get("log") !== "off",
  /** Among the tabs of this browser, whatever the server says. */
  tabs: query.has("tabs"),
  /** Whether this camera goes to a hub in three sizes, `yes` or `no`; as the browser is good for unless told. */
  simulcast: { yes: true, no: false }[query.get("simulcast")],
  /** An invitation has it behind the hash, where no log of a server or a proxy sees it. */
  get token() { return query.get("token") ?? place().token ?? undefined; },
  role: query.get("role") ?? undefined,
  ice: query.getAll("ice").map((urls) => ({ urls })),
};

const WORDS = ["amber", "birch", "cedar", "coral", "ember", "fjord", "grove", "heron", "indigo", "jade", "lagoon", "maple", "opal", "quartz", "reed", "saffron", "tide", "umber", "willow", "yarrow"];

/** A name that is said easily, and that nobody guesses. */
export const freshRoom = () => `${WORDS[crypto.getRandomValues(new Uint8Array(1))[0] % WORDS.length]}-${randomId(6)}`;
