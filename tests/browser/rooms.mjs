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

/** Counts the frames of a user's picture, and how long none came at most (ms). */
export async function watchGaps(page, name) {
  await page.evaluate((name) => {
    const tile = [...document.querySelectorAll("#tiles .tile")].find((one) => one.textContent.includes(name));
    const video = tile.querySelector("video");
    window.gaps = { longest: 0, frames: 0, last: performance.now() };
    const frame = () => {
      const now = performance.now();
      window.gaps.longest = Math.max(window.gaps.longest, now - window.gaps.last);
      window.gaps.last = now;
      window.gaps.frames++;
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  }, name);
  return () => page.evaluate(() => ({ frames: window.gaps.frames, longest: Math.max(window.gaps.longest, performance.now() - window.gaps.last) }));
}
