// The wall of pictures: screens on the stage, up to nine people, who spoke last where there are more.
// What is not shown is not received either.
import { $, element } from "../../page/dom.js";
import { nameOf } from "./people.js";

export const MOST = 9;
const LOUD = 0.01;
const SPEAKS = 1500; // ms after a sound in which somebody is taken to speak
const WIDE = 4 / 3;

/** How many columns make the tiles largest. */
export function columnsFor(count, width, height) {
  const size = (columns) => Math.min(width / columns, (height / Math.ceil(count / columns)) * WIDE);
  let best = 1;
  for (let columns = 2; columns <= count; columns++) if (size(columns) > size(best) * 1.02) best = columns;
  return best;
}

export class Wall {
  #tiles = new Map(); // key → Tile
  #aside = new Set();
  #heard = new Map(); // user id → when it was last heard
  #speaking = new Set(); // by the hub
  #shown = new Set();
  #shelved = "[[],0]";
  #want;
  #observer = new ResizeObserver(() => this.#measure());

  /** `want(tile, on)` is told whether a picture is to be received. */
  constructor(want) {
    this.#want = want;
    this.#observer.observe($("#wall"));
  }

  get tiles() { return [...this.#tiles.values()]; }
  get(key) { return this.#tiles.get(key); }

  add(tile) {
    this.#tiles.set(tile.key, tile);
    this.place();
    return tile;
  }

  remove(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    this.#tiles.delete(key);
    this.#aside.delete(key);
    this.#shown.delete(key);
    tile.remove();
    this.place();
  }

  /** Puts a tile on the shelf, or takes it back. */
  aside(key, on = !this.#aside.has(key)) {
    if (on) this.#aside.add(key);
    else this.#aside.delete(key);
    this.place();
    (on ? $(`#shelf [data-key="${CSS.escape(key)}"]`) : $(".aside", this.#tiles.get(key).root))?.focus();
  }

  /** Who is heard how loud, of 1. */
  hear(userid, level) { if (level > LOUD) this.#heard.set(userid, performance.now()); }

  /** By the hub: who spoke last, that one first, and who speaks now. They come to the wall at once. */
  rank(order, speaking) {
    const now = performance.now();
    this.#speaking = new Set(speaking);
    order.forEach((userid, at) => this.#heard.set(userid, now - at - (this.#speaking.has(userid) ? 0 : SPEAKS)));
    this.place();
  }

  shows(key) { return this.#shown.has(key); }
  speaks(userid) { return this.#speaking.has(userid) || performance.now() - (this.#heard.get(userid) ?? -Infinity) < SPEAKS; }

  place() {
    const there = this.tiles.filter(({ key }) => !this.#aside.has(key));
    const screens = there.filter(({ screen }) => screen);
    const people = this.#chosen(there.filter(({ screen }) => !screen));
    put($("#stage"), screens);
    put($("#tiles"), people);
    $("#stage").hidden = !screens.length;
    const shown = new Set([...screens, ...people].map(({ key }) => key));
    for (const tile of this.tiles) {
      if (!shown.has(tile.key)) tile.root.remove();
      if (shown.has(tile.key) !== this.#shown.has(tile.key)) this.#want(tile, shown.has(tile.key));
      tile.root.classList.toggle("speaks", this.speaks(tile.user.userid));
    }
    this.#shown = shown;
    this.#shelve(there.length - shown.size);
    $("#wall").classList.toggle("staged", screens.length > 0);
    $("#tiles").dataset.count = people.length;
    this.#measure();
  }

  /** Those on the wall stay there while they speak now and then; this side is always shown. */
  #chosen(people) {
    if (people.length <= MOST) return [...people].sort(ownLast);
    const when = ({ user, mine }) => (mine || this.#speaking.has(user.userid) ? Infinity : this.#heard.get(user.userid) ?? -1);
    const ranked = [...people].sort((a, b) => when(b) - when(a) || this.#shown.has(b.key) - this.#shown.has(a.key));
    const chosen = new Set(ranked.slice(0, MOST));
    // Nobody changes places without need.
    return people.filter((tile) => chosen.has(tile)).sort(ownLast);
  }

  #shelve(others) {
    const shelf = $("#shelf");
    const named = [...this.#aside].map((key) => {
      const tile = this.#tiles.get(key);
      return [key, tile.screen ? `${nameOf(tile.user)}'s screen` : nameOf(tile.user)];
    });
    // What stays is not made anew: a hand may be on it, or the keyboard.
    const told = JSON.stringify([named, others]);
    if (told === this.#shelved) return;
    this.#shelved = told;
    const chips = named.map(([key, name]) => {
      const chip = element("button", { type: "button", textContent: name, title: `show ${name} again`, onclick: () => this.aside(key, false) });
      chip.dataset.key = key;
      return chip;
    });
    if (others > 0) chips.push(element("span", { textContent: `${others} more, shown when they speak` }));
    shelf.replaceChildren(...chips);
    shelf.hidden = !chips.length;
  }

  #measure() {
    const grid = $("#tiles");
    const count = grid.children.length;
    if (!count) return;
    const { width, height } = grid.getBoundingClientRect();
    const columns = columnsFor(count, width, height);
    const rows = Math.ceil(count / columns);
    this.#tellSizes(height / rows);
    grid.style.setProperty("--columns", columns * 2);
    grid.style.setProperty("--rows", rows);
    // The last row stands in the middle; a tile is two columns wide.
    const last = (rows - 1) * columns;
    [...grid.children].forEach(({ style }, at) => style.setProperty("--at", at === last ? String(columns - (count - last) + 1) : "auto"));
  }

  /** By a hub comes what is large enough, and no more. */
  #tellSizes(height) {
    const least = Math.ceil((height * devicePixelRatio) / 90) * 90;
    for (const { remote, screen } of this.#tiles.values()) {
      if (!remote || screen || remote.wanted === least) continue;
      remote.wanted = least;
      remote.want(least);
    }
  }

  clear() {
    for (const key of [...this.#tiles.keys()]) this.remove(key);
    this.#heard.clear();
    this.#speaking.clear();
  }

  end() {
    this.clear();
    this.#observer.disconnect();
  }
}

const ownLast = (a, b) => a.mine - b.mine;

/** Moves only what is elsewhere: a video that is moved stops. */
function put(into, tiles) {
  tiles.forEach((tile, at) => {
    if (into.children[at] === tile.root) return;
    into.insertBefore(tile.root, into.children[at] ?? null);
    tile.play();
  });
}
