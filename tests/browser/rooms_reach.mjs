// D19, D33: the page of rooms with nine and eleven people, on any screen, light and dark: all in reach, nothing cut off, the keyboard knows where it is, and axe finds nothing.
import { createRequire } from "node:module";
import { assert, modules, pause, run, shots } from "./harness.mjs";
import { enterRoom, happens, lobby } from "./rooms.mjs";

const SIZES = {
  desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 }, landscape: { width: 844, height: 390 },
  small: { width: 320, height: 568 }, tablet: { width: 768, height: 1024 },
};
const BAR = ["#mute-mic", "#mute-camera", "#share-screen", "#raise", '[data-open="chat"]', '[data-open="people"]', '[data-open="settings"]', "#hang-up"];
const axe = createRequire(`${modules}/package.json`)("axe-core");

async function reachable(page, selectors, where) {
  const hidden = await page.evaluate((selectors) => selectors.filter((selector) => {
    const found = document.querySelector(selector);
    const { left, top, right, bottom, width, height } = found.getBoundingClientRect();
    if (width < 32 || height < 32 || left < 0 || top < 0 || right > innerWidth || bottom > innerHeight) return true;
    const points = [[left + 8, top + height / 2], [right - 8, top + height / 2], [left + width / 2, bottom - 8]];
    return !points.every(([x, y]) => found.contains(document.elementFromPoint(x, y)));
  }), selectors);
  assert(!hidden.length, `${where}: ${hidden} not in reach`);
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where} scrolls sideways`);
}

async function axed(page, where) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  const told = violations.map(({ id, impact, nodes }) => `${where}: ${impact} ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n  ")}`);
  assert(!told.length, told.join("\n"));
}

/** Until there are so many tiles, each within the wall, not tiny, and with its name. */
async function wall(page, count, where) {
  const look = () => {
    const around = document.querySelector("#wall").getBoundingClientRect();
    return [...document.querySelectorAll("#tiles .tile")].map((tile) => {
      const { left, top, right, bottom, width, height } = tile.getBoundingClientRect();
      const name = tile.querySelector(".name").getBoundingClientRect();
      return { within: left >= around.left - 1 && top >= around.top - 1 && right <= around.right + 1 && bottom <= around.bottom + 1, width, height, named: name.width > 10 && name.bottom <= bottom };
    });
  };
  for (const end = Date.now() + 10_000; ; await pause(100)) {
    const found = await page.evaluate(look);
    if (found.length === count && found.every(({ within, width, height, named }) => within && named && width >= 90 && height >= 50)) return;
    assert(Date.now() < end, `${where}: ${found.length} tiles: ${JSON.stringify(found)}`);
  }
}

const focused = (page, selector) => page.waitForFunction((selector) => document.activeElement?.matches(selector), selector, { timeout: 5_000 }).catch(async () => {
  throw new Error(`the focus is not on ${selector} but on ${await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 120))}`);
});

/** So many who send a small picture, in a page of their own. */
async function crowd([room, from, count]) {
  const { BroadcastHub, Session } = await import("/rooms.js");
  window.crowd ??= [];
  const names = ["Grace Hopper", "Emmy Noether", "Alan Turing", "Mary Somerville", "Leonhard Euler", "Sophie Germain", "Niels Bohr", "Lise Meitner", "Max Planck", "Rosalind Franklin"];
  for (let at = from; at < from + count; at++) {
    const extra = { name: names[at] };
    const session = await Session.with(new BroadcastHub("ortc rooms", { userid: `crowd${at}`, extra }), { extra });
    window.crowd.push(session);
    const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
    const context = canvas.getContext("2d");
    const draw = () => {
      context.fillStyle = `hsl(${(at * 36 + performance.now() / 50) % 360} 60% 45%)`;
      context.fillRect(0, 0, 160, 120);
    };
    draw();
    setInterval(draw, 250);
    session.addStream(canvas.captureStream(4));
    await session.join(room);
  }
}

await run("rooms_reach", 230, async (test) => {
  const page = await lobby(test, `${test.url}/rooms/index.html`);
  await page.focus("#name");
  await axed(page, "lobby");
  await page.click("#rules summary");
  await page.selectOption("#direction", "one-to-many");
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    for (const [name, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await page.evaluate(() => document.querySelector("#enter button.main").scrollIntoView({ block: "center" }));
      await reachable(page, ["#enter button.main"], `${name}, lobby`);
    }
    await axed(page, `lobby, ${colorScheme}`);
  }
  await page.setViewportSize(SIZES.desktop);
  await page.uncheck("#use-camera"); // To make eight pictures of it would measure the machine.
  await enterRoom(page, { name: "Ada Lovelace", room: "nine" });
  await focused(page, "#call");
  await axed(page, "alone");

  const others = await test.beside(page);
  await others.evaluate(crowd, ["nine", 0, 8]);
  await happens(page, () => document.querySelectorAll("#tiles .tile.picture").length === 8, "eight pictures", 90_000);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [name, viewport] of Object.entries(SIZES)) {
      const where = `${name}, ${colorScheme}`;
      await page.setViewportSize(viewport);
      await page.waitForTimeout(200);
      await wall(page, 9, where);
      await reachable(page, BAR, where);
      await page.screenshot({ path: `${shots}/rooms-nine-${name}-${colorScheme}.png` });
      if (![`desktop, light`, `phone, dark`, `landscape, light`].includes(where)) continue;
      for (const [open, tabs] of [["chat", ["chat", "files"]], ["people", ["people", "timer"]], ["settings", ["draw", "text", "settings", "stats", "wires"]]]) {
        await page.click(`[data-open="${open}"]`);
        for (const tab of tabs) {
          await page.click(`[data-tab="${tab}"]`);
          await reachable(page, ["#shut", ...BAR, ...(tab === "chat" ? ["#say input", "#say .main"] : [])], `${where}, ${tab}`);
          if (name !== "landscape") await axed(page, `${where}, ${tab}`);
        }
        await page.click("#shut");
      }
    }
  }
  console.log("nine people on each screen");

  // Two more: nine are shown, the others are not received, and who speaks takes a place.
  await page.setViewportSize(SIZES.desktop);
  await others.evaluate(crowd, ["nine", 8, 2]);
  await happens(page, () => /2 more, shown when they speak/.test(document.querySelector("#shelf").textContent), "that two are not shown");
  await wall(page, 9, "eleven");
  await happens(page, () => session.peers.filter(({ streams }) => streams[0]?.dropped.includes("video")).length === 2, "that two are not received");
  await others.evaluate(() => {
    const context = new AudioContext();
    const [oscillator, to] = [context.createOscillator(), context.createMediaStreamDestination()];
    oscillator.connect(to);
    oscillator.start();
    window.crowd.find(({ userid }) => userid === "crowd9").addStream(to.stream);
  });
  await happens(page, () => [...document.querySelectorAll("#tiles .tile.speaks")].some((tile) => tile.dataset.userid === "crowd9"), "the one who speaks");
  await wall(page, 9, "eleven, one speaks");
  console.log("eleven people");

  // The keyboard: into the drawer, and back to where it came from.
  for (const [open, first] of [["chat", "#say input"], ["people", '[data-tab="people"]'], ["settings", "#choose-audio"]]) {
    await page.focus(`[data-open="${open}"]`);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#drawer:not([hidden])");
    if (open !== "settings") await focused(page, first);
    await page.keyboard.press("Escape");
    await page.waitForSelector("#drawer", { state: "hidden" });
    await focused(page, `[data-open="${open}"]`);
  }
  await page.focus("#hang-up");
  await page.keyboard.press("Enter");
  await focused(page, "#enter button.main");
});
