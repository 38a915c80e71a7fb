// What the tests of the page of rooms share.
import { assert, pause } from "./harness.mjs";

/** Until it holds in the page. */
export async function happens(page, look, what, ms = 30_000) {
  await page.waitForFunction(look, null, { timeout: ms, polling: 100 }).catch(async () => {
    const state = await page.evaluate(() => ({ status: document.querySelector("#status").textContent, news: document.querySelector("#news").textContent, tiles: [...document.querySelectorAll(".tile")].map((one) => `${one.className}: ${one.textContent}`), people: document.querySelector("#people").textContent }));
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
