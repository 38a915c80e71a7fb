// Files in the page: what is sent, what is offered, what came.
import { $, element } from "../../page/dom.js";
import { drawer } from "../../page/drawer.js";
import { Keep } from "../files/store.js";
import { allSent, filesOf, forgetSent, keepSent, matching } from "../files/outgoing.js";
import { MEMORY, onDisk } from "../files/store.js";
import { show as showCode } from "./codes.js";
import * as features from "./features.js";
import * as picker from "./file_picker.js";
import { FileRow, offerNotice, sizeInWords } from "./file_row.js";
import { announce, tell } from "./notices.js";
import { nameOf } from "./people.js";
import { download, saveAll, savesFolders } from "./saving.js";
import { view } from "./viewer.js";

let session = null;
let room = null;
let by = null; // the code that the room is of
let again = null; // a row whose files are to be chosen again
const rows = new Map(); // id → FileRow
const over = { current: null };

const nameFor = (userid, extra) => nameOf(room?.users.get(userid) ?? { userid, extra });
const senderFor = ({ userid, from }) => (room?.users.has(userid) ? nameFor(userid) : from ? `${nameOf({ userid, extra: from })}, who has left,` : "Somebody who has left");
const fromIn = ({ userid, from }) => `from ${nameOf({ userid, extra: from })}`;

const host = {
  savesFolders: savesFolders(),
  async remove(row) {
    rows.delete(row.id);
    row.root.remove();
    await row.keep?.remove();
    if (row.transfer?.way === "out" || row.sent || row.waits) {
      const { key } = row.sent ?? row.waits ?? row.transfer;
      if (![...rows.values()].some(({ transfer }) => transfer?.key === key)) {
        session?.files.forget(key);
        await forgetSent(key);
      }
    }
    show();
  },
  view: (row, file) => withFile(row, file, view),
  save: (row, file) => withFile(row, file, (name, found) => download(name, found)),
  saveAll: (row) => saveAll(row.keep).then(() => announce("Saved"), (error) => error.name === "AbortError" || tell("Not saved", `The browser says: ${error.message}.`)),
  /** What was being sent before the page was loaded anew. */
  async again(row) {
    const items = await filesOf(row.sent).catch(() => null);
    if (items) return goOn(row, items);
    again = row;
    tell("Choose the files again", `The browser has forgotten where ${row.sent.title} is. Choose the same once more; it is checked to be the same.`, ["Choose", () => {
      const folder = row.sent.entries.some(({ path }) => path.length > 1);
      $(folder ? "#choose-folder-input" : "#choose-files-input").click();
    }, "main"], ["Not now", () => { again = null; }]);
    return undefined;
  },
};

async function withFile(row, number, work) {
  const { path } = row.keep.about.entries[number];
  const file = await row.keep.file(number).catch(() => null);
  if (!file) return tell("The file is gone", "The browser has thrown it away, or somebody did in its settings.");
  return work(path.at(-1), file);
}

function rowOf(id) {
  if (!rows.has(id)) {
    const row = new FileRow(id, host);
    rows.set(id, row);
    $("#files").prepend(row.root);
  }
  return rows.get(id);
}

function drop(id) {
  rows.get(id)?.root.remove();
  rows.delete(id);
}

// -- Out

function send(items, error) {
  if (error) return tell("These cannot be sent", `The browser says: ${error.message}.`);
  if (again) {
    const row = again;
    again = null;
    const found = matching(row.sent, items);
    return found ? goOn(row, found) : tell("These are others", `Names or sizes are not those of ${row.sent.title}.`);
  }
  const to = $("#files-to").value || undefined;
  return offer(items, { to, later: $("#files-later").checked || by?.way === "send" });
}

function offer(items, { to, later, key }) {
  try {
    const transfers = session.sendFiles(items, { to, later, room: room.name, key });
    const { source } = transfers;
    if (!transfers.length && !later && !key) {
      session.files.forget(source.key);
      return tell("Nobody is there to send to", "Files go to who is connected in this room. Choose that later ones get them too, or wait.");
    }
    void keepSent({ key: source.key, room: room.name, to, later, title: source.title, entries: source.entries, handles: items.map(({ handle }) => handle ?? null) });
    if (!transfers.length) {
      const row = rowOf(`wait ${source.key}`);
      row.waits = source;
      showRow(row);
      show();
    }
    drawer.show("files", "#files");
    announce(`Offered to ${transfers.length}`);
  } catch (error) {
    tell("That was not sent", `${error.message}.`);
  }
  return undefined;
}

function goOn(row, items) {
  const { key, to, later } = row.sent;
  drop(row.id);
  offer(items, { key, to, later });
}

// -- In

function offered({ transfer }) {
  const notice = offerNotice(transfer, senderFor(transfer), (wanted) => {
    const had = notice.contains(document.activeElement);
    notice.remove();
    if (!wanted) transfer.reject();
    else {
      void transfer.take?.();
      drawer.show("files", "#files");
    }
    if (had && !wanted) $("main:not([hidden])")?.focus();
  });
  announce(`${senderFor(transfer)} sends ${transfer.title}, ${sizeInWords(transfer.total)}`);
  transfer.ended.then(() => notice.remove());
}

function moved({ transfer }) {
  const { way, key, userid } = transfer;
  if (way === "in" && !transfer.keep) return;
  drop(`wait ${key}`);
  const row = rowOf(way === "in" ? `in ${transfer.keep.name}` : `out ${key} ${userid}`);
  row.transfer = transfer;
  row.keep = transfer.keep ?? null;
  showRow(row);
  show();
}

function ended({ transfer, error }) {
  if (transfer.way === "in" && !transfer.keep) return;
  moved({ transfer });
  announce(error ? `${transfer.title}: ${error.code === "lost" ? "interrupted" : "not complete"}` : `${transfer.title} is ${transfer.way === "in" ? "here" : "sent"}`);
  if (transfer.way === "in" && error && error.code !== "lost") void transfer.closed?.then(() => forgetEmpty(transfer));
  // All who were to have it do: nothing is to be gone on with after a reload.
  const mine = session?.files.transfers.filter(({ way, key }) => way === "out" && key === transfer.key) ?? [];
  if (transfer.way === "out" && mine.every((one) => one.over && one.error?.code !== "lost")) void forgetSent(transfer.key);
}

async function forgetEmpty({ keep }) {
  const row = rows.get(`in ${keep.name}`);
  if (row && !Object.keys(keep.about.done).length) row.keep = null;
}

function showRow(row) {
  const { transfer, keep, sent, waits } = row;
  const path = transfer && room?.peer(transfer.userid) && session.paths.of(room.peer(transfer.userid));
  const from = transfer ? (transfer.way === "in" ? `from ${nameFor(transfer.userid, transfer.from)}` : `to ${nameFor(transfer.userid)}`) : waits ? "to who comes" : sent ? (sent.to ? `to ${nameFor(sent.to)}` : "to the room") : fromIn(keep.about);
  row.show({ title: transfer?.title ?? waits?.title ?? sent?.title ?? keep.about.title, from, way: path?.kind });
  row.who = from;
}

// -- The list

function show() {
  const [hide, group] = [$("#files-hide").checked, $("#files-group").checked];
  for (const row of rows.values()) row.root.hidden = hide && row.over && row.done;
  $("#no-files").hidden = rows.size > 0;
  const order = [...rows.values()].reverse();
  if (group) order.sort((a, b) => (a.who ?? "").localeCompare(b.who ?? ""));
  let last = "";
  order.forEach(({ root, who }, at) => {
    root.style.setProperty("--group", group && who !== last ? "1" : "0");
    last = who;
    if ($("#files").children[at] !== root) $("#files").insertBefore(root, $("#files").children[at] ?? null);
  });
}

function people() {
  const users = room.others.filter(({ userid }) => room.peer(userid));
  const told = JSON.stringify(users.map((user) => [user.userid, nameOf(user)]));
  const select = $("#files-to");
  if (select.dataset.told === told) return;
  select.dataset.told = told;
  const { value } = select;
  select.replaceChildren(element("option", { value: "", textContent: "all in the room" }), ...users.map((user) => element("option", { value: user.userid, textContent: nameOf(user) })));
  select.value = [...select.options].some((one) => one.value === value) ? value : "";
}

/** Each second. */
export function look() {
  if (!room) return;
  people();
  if (drawer.shows("files")) for (const row of rows.values()) if (!row.over) showRow(row);
}

/** `code`, with its way, where the room is of one. */
export async function begin(of, into, code) {
  [session, room, by] = [of, into, code];
  showCode(by);
  // By a code they go to who has it, whenever that is.
  $("#files-to").closest(".field").hidden = $("#files-later").closest(".check").hidden = Boolean(by);
  if (by) drawer.show("files");
  const ending = new AbortController();
  over.current = ending;
  for (const [name, hear] of Object.entries({ fileOffer: offered, fileProgress: moved, fileEnd: ended })) session.addEventListener(name, hear, { signal: ending.signal });
  const disk = await onDisk();
  $("#files-limit").textContent = disk ? "What comes is kept by the browser until you remove it; save what you want to keep." : `This browser keeps files in memory only: at most ${sizeInWords(MEMORY)}, and they are gone with the page.`;
  const [kept, sent] = [await Keep.all().catch(() => []), await allSent()];
  if (ending.signal.aborted) return;
  for (const keep of kept.reverse()) {
    if (rows.has(`in ${keep.name}`)) continue;
    const row = rowOf(`in ${keep.name}`);
    row.keep = keep;
    showRow(row);
  }
  for (const about of sent) {
    if (about.room !== room.name || [...rows.keys()].some((id) => id.startsWith(`out ${about.key} `))) continue;
    const row = rowOf(`sent ${about.key}`);
    row.sent = about;
    showRow(row);
  }
  show();
}

export function end() {
  over.current?.abort();
  $("#offers").replaceChildren();
  for (const row of rows.values()) row.root.remove();
  rows.clear();
  session = room = again = by = null;
  showCode(null);
}

for (const id of ["#files-hide", "#files-group"]) $(id).onchange = show;
picker.begin(send, () => Boolean(room?.session.data) && features.has("fileShare"));
