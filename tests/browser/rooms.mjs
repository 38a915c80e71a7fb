// What the tests of the page of rooms share.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert, pause } from "./harness.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Until it holds in the page. */
export async function happens(page, look, what, ms = 30_000) {
  await page.waitForFunction(look, null, { timeout: ms, polling: 100 }).catch(async () => {
    const state = await page.evaluate(() => ({ status: document.querySelector("#status").textContent, news: document.querySelector("#news").textContent, chat: document.querySelector("#messages").textContent, tiles: [...document.querySelectorAll(".tile")].map((one) => `${one.className}: ${one.textContent}`), people: document.querySelector("#people").textContent }));
    throw new Error(`never: ${what}: ${JSON.stringify(state)}`);
  });
}

/** A tab with the page in its lobby; beside another, in the same browser. */
export async function lobby(test, address, beside, options) {
  const url = new URL(address);
  url.searchParams.set("debug", "");
  const page = beside ? await test.beside(beside, url.href) : await test.page(url.href, { viewport: { width: 1280, height: 800 }, ...options });
  await page.waitForSelector("html[data-ready]");
  test.forgive(/404/); // A server of files has no config.json.
  return page;
}

export async function enterRoom(page, { name, room, password = "" }, wanted = true) {
  if (name) await page.fill("#name", name);
  await page.fill("#room", room);
  await page.fill("#password", password);
  await page.click("#enter button.main");
  if (wanted) await page.waitForSelector("#call:not([hidden])").catch(async () => { throw new Error(await page.textContent("#news")); });
}

export async function inRoom(page, name) {
  const shown = await page.textContent("#place b");
  assert(name instanceof RegExp ? name.test(shown) : shown === name, `in ${shown}, not ${name}`);
}

/** Until so many people have a picture that moves, and nobody else is there. */
export async function seesAll(page, count, ms = 40_000) {
  const look = (count) => {
    const tiles = [...document.querySelectorAll("#tiles .tile")];
    const seen = tiles.map((tile) => {
      const video = tile.querySelector("video");
      const frames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
      if (video) video.first ??= frames;
      return { name: tile.textContent, picture: tile.matches(".picture"), frames: video ? frames - video.first : 0 };
    });
    const done = seen.length === count && seen.every(({ picture, frames }) => picture && frames > 2);
    if (done) for (const tile of tiles) delete tile.querySelector("video").first;
    return { done, seen, status: document.querySelector("#status").textContent };
  };
  for (const end = Date.now() + ms; ; await pause(100)) {
    const found = await page.evaluate(look, count);
    if (found.done) return;
    assert(Date.now() < end, `not ${count} pictures: ${JSON.stringify(found)}`);
  }
}

export const said = (page, text) => page.waitForFunction((text) => document.querySelector("#messages").textContent.includes(text), text, { timeout: 30_000 });

/** `ortc serve`, as cargo built it; `kill` takes it down as a power cut would, and `again` starts it on the same port, as before or with what is given. */
export async function serve(test, ...more) {
  const program = process.env.ORTC_PROGRAM ?? join(root, "target/debug/ortc");
  const folder = await mkdtemp(join(tmpdir(), "ortc-serve-"));
  test.cleanup.push(() => rm(folder, { recursive: true, force: true }));
  const start = async (listen, given = more) => {
    const child = spawn(program, ["serve", "--listen", listen, "--state-dir", folder, "--web-dir", join(root, "web"), ...given], { stdio: ["ignore", "pipe", "inherit"] });
    test.cleanup.push(() => child.kill("SIGKILL"));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const url = await new Promise((resolve, reject) => {
      child.once("error", reject);
      createInterface({ input: child.stdout }).on("line", (line) => {
        const found = /^open (https?:\S+?)\/$/.exec(line);
        if (found) resolve(found[1]);
      });
      ended.then((code) => reject(new Error(`ortc serve ended with ${code}`)));
    });
    return { child, ended, url };
  };
  let running = await start("127.0.0.1:0");
  const { url } = running;
  return {
    url,
    program,
    kill() {
      running.child.kill("SIGKILL");
      return running.ended;
    },
    async again(...given) { running = await start(`127.0.0.1:${new URL(url).port}`, given.length ? given : more); },
  };
}

/** In a page: notes each picture that its tiles show of others, and when the page itself was late. */
export function watchGaps() {
  const gaps = { ways: new Map(), late: [], seen: new WeakSet() };
  const came = (userid) => {
    const now = performance.now();
    const way = gaps.ways.get(userid);
    if (!way) return void gaps.ways.set(userid, { last: now, longest: 0, raw: 0, frames: 1 });
    way.longest = Math.max(way.longest, gaps.ran(way.last, now));
    way.raw = Math.max(way.raw, now - way.last);
    way.last = now;
    way.frames++;
    return undefined;
  };
  /** The time between two moments, less what the page was late in it. */
  gaps.ran = (from, to) => to - from - gaps.late.reduce((sum, [begin, end]) => sum + Math.max(0, Math.min(end, to) - Math.max(begin, from)), 0);
  const follow = (userid, video) => {
    if (!video || gaps.seen.has(video)) return;
    gaps.seen.add(video);
    const frame = () => {
      if (!video.isConnected) return;
      came(userid);
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  };
  let beat = performance.now();
  setInterval(() => {
    const now = performance.now();
    if (now - beat > 40) gaps.late.push([beat, now]);
    beat = now;
    for (const tile of document.querySelectorAll("#tiles .tile:not(.own)")) for (const video of tile.querySelectorAll("video")) follow(tile.dataset.userid, video);
  }, 20);
  window.gaps = gaps;
}

/** Of those whom a page shows: how long none came at most (ms), less what the page was late, and as it was; from now on anew. */
export function takeGaps(userids) {
  const { gaps } = window;
  const now = performance.now();
  const taken = userids.map((userid) => {
    const way = gaps.ways.get(userid) ?? { last: now, longest: Infinity, raw: Infinity, frames: 0 };
    return [Math.round(Math.max(way.longest, gaps.ran(way.last, now))), Math.round(Math.max(way.raw, now - way.last)), way.frames];
  });
  const late = Math.round(Math.max(0, ...gaps.late.map(([begin, end]) => end - begin)));
  for (const way of gaps.ways.values()) Object.assign(way, { last: now, longest: 0, raw: 0, frames: 0 });
  gaps.late = [];
  return { taken, late };
}

/** Rust peers in a room, of server/…/crowd: `says(line)` to it, `answer(beginning)` is the next line of it that begins so. */
export async function crowd(test, server, room, count, ...more) {
  const program = process.env.ORTC_CROWD ?? server.program.replace(/ortc$/, "examples/crowd");
  const child = spawn(program, [`${server.url.replace("http", "ws")}/ws`, room, String(count), ...more], { stdio: ["pipe", "pipe", "inherit"] });
  test.cleanup.push(() => child.kill("SIGKILL"));
  const waiting = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const at = waiting.findIndex(({ beginning }) => line.startsWith(beginning));
    if (at >= 0) waiting.splice(at, 1)[0].resolve(line);
    else console.log(line);
  });
  const answer = (beginning) => new Promise((resolve) => waiting.push({ beginning, resolve }));
  const says = (line) => child.stdin.write(`${line}\n`);
  await answer("ready");
  return {
    says,
    async gaps() {
      says("gaps");
      return JSON.parse((await answer("gaps ")).slice(5));
    },
    leave: () => child.stdin.end(),
  };
}
