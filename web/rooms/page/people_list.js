// The people in the room, what they are and how they are reached, and what may be done with them.
import { $, element } from "../../page/dom.js";
import { face, icon, nameOf, signButton } from "./people.js";
import { placeOf, timeOf } from "./whereabouts.js";

const ROLES = { admin: "admin", guest: "guest", inspector: "looks on" };
const STATES = { searching: "being reached", halted: "interrupted", closed: "being reached again" };
const rows = new Map(); // user id → Row

/** One line. It is made anew only when what may be done changes: figures change each second. */
class Row {
  #facts = element("small");
  #mic = element("span", { className: "state", title: "microphone is off" }, icon("mic-off"), element("span", { className: "unseen", textContent: "microphone is off" }));
  #doing = element("div", { className: "doing" });
  #key = "";

  constructor(userid) {
    this.root = element("li");
    this.root.dataset.userid = userid;
  }

  show(user, { mine, may, facts, muted }, session, call) {
    const name = nameOf(user);
    const email = typeof user.extra?.email === "string" ? user.extra.email.slice(0, 100) : "";
    const key = JSON.stringify([name, email, mine, may]);
    if (key !== this.#key) {
      this.#key = key;
      const words = element("div", { className: "who" }, element("b", { textContent: name }), this.#facts);
      if (email) words.append(element("small", { textContent: email }));
      this.root.replaceChildren(face(user), words, this.#mic, this.#doing);
      this.#buttons(user, mine, may, session, call);
    }
    if (this.#facts.textContent !== facts) this.#facts.textContent = facts;
    this.#mic.hidden = !muted.includes("audio");
  }

  #buttons(user, mine, may, session, call) {
    const name = nameOf(user);
    this.#doing.classList.remove("sure");
    this.#doing.replaceChildren();
    if (!mine) this.#doing.append(signButton("ring", `call ${name} alone`, () => call(user.userid)));
    if (!may) return;
    this.#doing.append(
      signButton("crown", `make ${name} the owner`, () => session.handOver(user.userid)),
      signButton("close", `put ${name} out`, () => this.#ask(user, session, call)),
    );
  }

  /** In the place of the buttons: once, or for as long as the room is there. */
  #ask(user, session, call) {
    const button = (textContent, onclick, className = "") => element("button", { type: "button", textContent, onclick, className });
    const out = (ban) => () => session.eject(user.userid, { ban });
    this.#doing.classList.add("sure");
    this.#doing.replaceChildren(
      button("Put out", out(false), "bad"),
      button("For good", out(true), "bad"),
      button("Keep", () => {
        this.#buttons(user, false, true, session, call);
        this.#doing.lastChild.focus();
      }),
    );
    this.#doing.firstChild.focus();
  }
}

function count(number) {
  const button = $('[data-open="people"]');
  button.dataset.count = number > 1 ? number : "";
  button.ariaLabel = button.title = number > 1 ? `people and invitation, ${number} are here` : "people and invitation";
}

/** `mutedOf` and `hand` tell of a user id; `call` calls one. */
export function showPeople({ session, room, mutedOf, hand, records, call }) {
  const users = [...room.users.values()];
  count(users.length);
  for (const [userid, row] of rows) {
    if (room.users.has(userid)) continue;
    row.root.remove();
    rows.delete(userid);
  }
  users.forEach((user, at) => {
    const { userid } = user;
    const row = rows.get(userid) ?? new Row(userid);
    rows.set(userid, row);
    if ($("#people").children[at] !== row.root) $("#people").insertBefore(row.root, $("#people").children[at] ?? null);
    const [mine, owner] = [userid === session.userid, userid === room.owner];
    const peer = room.peer(userid);
    const path = peer && session.paths.of(peer);
    const facts = [
      mine && "you", owner && "owner", ROLES[user.role], userid === room.presenter && "presents", hand(userid) && "hand raised", records(userid) && "records", !mine && timeOf(user), placeOf(user),
      peer && STATES[peer.state], path?.kind && `${path.kind === "hub" ? "by the server" : path.kind}${path.roundTrip === null ? "" : ` · ${path.roundTrip} ms`}`,
    ].filter(Boolean).join(" · ");
    row.show(user, { mine, may: room.governed && !mine && !owner, facts, muted: mutedOf(userid) }, session, call);
  });
}

export function clear() {
  rows.clear();
  $("#people").replaceChildren();
  count(1);
}
