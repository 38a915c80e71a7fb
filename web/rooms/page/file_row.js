// One transfer or one offer that has come, as a line of the list.
import { $, element } from "../../page/dom.js";
import { shown } from "../files/messages.js";
import { signButton } from "./people.js";
import { kindOf } from "./viewer.js";

const LISTED = 200; // files of an offer

export const sizeInWords = (bytes) => {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; bytes >= 999.5 && at < units.length - 1; at++) bytes /= 1000;
  return `${at && bytes < 99.95 ? bytes.toFixed(1) : Math.round(bytes)} ${units[at]}`;
};

const timeInWords = (seconds) => (seconds < 60 ? `${Math.ceil(seconds)} s` : seconds < 3600 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`);

const ENDS = {
  rejected: "refused", cancelled: "cancelled", lost: "interrupted: goes on when the connection is back", quota: "more than there is room for",
  diskFull: "no space is left", sourceChanged: "the file is another one by now", corrupt: "did not arrive as it was sent", exists: "another window of this page receives it",
};

/** Why it ended, in words. */
export const endInWords = ({ code, message, remote }) => (code === "rejected" && !remote ? "you refused it" : ENDS[code] ?? shown(message));

export class FileRow {
  #line = element("small");
  #bar = element("progress", { max: 1 });
  #doing = element("div", { className: "doing" });
  #files = element("ul", { className: "got" });
  #key = "";
  transfer = null;
  keep = null;

  /** `host` does what the buttons say: `remove(row)`, `view(row, file)`, `save(row, file)`, `saveAll(row)`, `again(row)`. */
  constructor(id, host) {
    this.id = id;
    this.host = host;
    this.title = element("b");
    this.root = element("li", {}, element("div", { className: "who" }, this.title, this.#line), this.#doing, this.#bar, this.#files);
  }

  get over() { return !this.transfer || this.transfer.over; }
  get done() { return this.transfer ? this.transfer.state === "done" : !this.sent && !this.waits; }

  /** `from` says who it is of or for; `way` the kind of path. */
  show({ title, from, way }) {
    this.title.textContent = shown(title);
    this.root.dataset.state = this.transfer?.state ?? (this.sent ? "interrupted" : "kept");
    this.#bar.hidden = this.over || this.transfer.state === "offered";
    if (!this.#bar.hidden) this.#bar.value = this.transfer.total ? this.transfer.bytes / this.transfer.total : 1;
    this.#bar.ariaLabel = `${title}: how far`;
    const line = this.#facts(from, way);
    if (this.#line.textContent !== line) this.#line.textContent = line;
    this.#buttons();
    this.#got();
  }

  #facts(from, way) {
    const { transfer } = this;
    const words = [from];
    if (this.waits) words.push(sizeInWords(this.waits.bytes), "waits for somebody");
    else if (!transfer) words.push(this.sent ? "interrupted" : sizeInWords(this.keep.about.entries.reduce((sum, { size }) => sum + size, 0)));
    else if (transfer.state === "offered") words.push(sizeInWords(transfer.total), transfer.way === "out" ? "waits for an answer" : "asks");
    else if (transfer.state === "failed") words.push(endInWords(transfer.error));
    else if (transfer.state === "done") words.push(sizeInWords(transfer.total), transfer.way === "out" ? "sent, and checked at the other end" : "received and checked", transfer.kept > 0 && `${sizeInWords(transfer.kept)} were here before`);
    else {
      words.push(`${sizeInWords(transfer.bytes)} of ${sizeInWords(transfer.total)}`);
      if (transfer.files > 1) words.push(`file ${Math.min(transfer.files, transfer.filesDone + 1)} of ${transfer.files}`);
      if (transfer.state === "paused") words.push(transfer.paused.here ? "paused" : "paused by the other side");
      else if (transfer.rate > 0) words.push(`${sizeInWords(transfer.rate)}/s`, `${timeInWords(transfer.remaining)} left`);
      if (way) words.push(way);
      if (transfer.unkept) words.push("the server has no place for it: it goes from here to each");
    }
    return words.filter(Boolean).join(" · ");
  }

  #buttons() {
    const { transfer, host } = this;
    const running = transfer && !transfer.over && transfer.state !== "offered";
    const key = JSON.stringify([running, transfer?.paused.here, this.over, Boolean(this.keep?.complete), this.sent]);
    if (key === this.#key) return;
    this.#key = key;
    const title = this.title.textContent;
    const button = (label, onclick, className = "") => Object.assign(element("button", { type: "button", textContent: label, className, onclick }), { ariaLabel: `${label}: ${title}` });
    const buttons = [];
    if (running) buttons.push(button(transfer.paused.here ? "Go on" : "Pause", () => transfer.pause(!transfer.paused.here)));
    if (transfer && !transfer.over) buttons.push(signButton("close", `Cancel: ${title}`, () => transfer.cancel(), { className: "cancel" }));
    if (this.over && this.sent) buttons.push(button("Go on", () => host.again(this), "main"));
    if (this.over && this.keep && host.savesFolders && this.keep.about.entries.length > 1) buttons.push(button("Save all", () => host.saveAll(this)));
    if (this.over) buttons.push(button("Remove", () => host.remove(this)));
    this.#doing.replaceChildren(...buttons);
  }

  /** Files that are complete, each with what can be done with it. */
  #got() {
    const { keep } = this;
    if (!keep) return;
    const there = keep.about.entries.flatMap(({ folder }, file) => (!folder && keep.has(file) ? [file] : []));
    if (this.#files.childElementCount === Math.min(LISTED, there.length)) return;
    this.#files.replaceChildren(...there.slice(0, LISTED).map((file) => {
      const { path, size } = keep.about.entries[file];
      const name = shown(path.join("/"));
      const row = element("li", {}, element("span", { className: "name", textContent: name, title: name }), element("small", { textContent: sizeInWords(size) }));
      if (kindOf(path.at(-1))) row.append(Object.assign(element("button", { type: "button", textContent: "View", onclick: () => this.host.view(this, file) }), { ariaLabel: `View: ${name}` }));
      row.append(Object.assign(element("button", { type: "button", textContent: "Save", onclick: () => this.host.save(this, file) }), { ariaLabel: `Save: ${name}` }));
      return row;
    }));
  }
}

/** An offer, until it is answered. */
export function offerNotice(transfer, name, answer) {
  const { entries, title, total } = transfer;
  const files = entries.filter(({ folder }) => !folder).length;
  const notice = element("div", { className: "notice offer" });
  notice.setAttribute("role", "alertdialog");
  const heading = element("b", { textContent: `${name} sends ${shown(title)}`, id: `offer-${transfer.id}` });
  notice.setAttribute("aria-labelledby", heading.id);
  const words = element("div", {}, heading, element("p", { textContent: `${files === 1 ? "1 file" : `${files} files`}, ${sizeInWords(total)}` }));
  if (entries.length > 1) {
    const list = element("ul", {}, ...entries.slice(0, 50).map(({ path, size, folder }) => element("li", { textContent: `${shown(path.join("/"))}${folder ? "/" : ` · ${sizeInWords(size)}`}` })));
    if (entries.length > 50) list.append(element("li", { textContent: `and ${entries.length - 50} more` }));
    words.append(element("details", {}, element("summary", { textContent: "What is in it" }), list));
  }
  const step = (label, wanted, className) => element("button", { type: "button", textContent: label, className, onclick: () => answer(wanted) });
  notice.append(words, element("div", { className: "steps" }, step("Take", true, "main"), step("Refuse", false, "")));
  $("#offers").append(notice);
  return notice;
}
