// The demo page: on any screen the bar stays in reach, the keyboard knows where it is, and axe finds nothing serious.
import { createRequire } from "node:module";
import { assert, modules, pictures, run } from "./harness.mjs";

const SIZES = {
  desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 }, landscape: { width: 844, height: 390 },
  small: { width: 320, height: 568 }, "small landscape": { width: 568, height: 320 }, tablet: { width: 768, height: 1024 },
};
const AXE = ["desktop", "phone", "landscape"]; // The others have the same rules of style.
const BAR = ["#mute-mic", "#mute-camera", "#hang-up"];
const axe = createRequire(`${modules}/package.json`)("axe-core");

/** Whether each of these is whole on the screen, with nothing above it. */
async function reachable(page, selectors, where) {
  const hidden = await page.evaluate((selectors) => selectors.filter((selector) => {
    const found = document.querySelector(selector);
    const { left, top, right, bottom, width, height } = found.getBoundingClientRect();
    if (width < 40 || height < 40 || left < 0 || top < 0 || right > innerWidth || bottom > innerHeight) return true;
    const points = [[left + 8, top + height / 2], [right - 8, top + height / 2], [left + width / 2, top + 8], [left + width / 2, bottom - 8]];
    return !points.every(([x, y]) => found.contains(document.elementFromPoint(x, y)));
  }), selectors);
  assert(!hidden.length, `${where}: ${hidden} not in reach`);
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where} scrolls sideways`);
}

/** axe's rules, in the page. */
async function axed(page, where) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  const told = violations.map(({ id, impact, nodes }) => `${where}: ${impact} ${id}: ${nodes.map(({ html }) => html).join("\n  ")}`);
  assert(!told.length, told.join("\n"));
}

const focused = (page, selector) => page.waitForFunction((selector) => document.activeElement?.matches(selector), selector, { timeout: 5_000 }).catch(async () => {
  throw new Error(`the focus is not on ${selector} but on ${await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 120))}`);
});
const shut = (page) => page.waitForSelector("#drawer", { state: "hidden" });

await run("reach", 200, async (test) => {
  const rust = await test.rust();

  const lobby = await test.page(`${rust.url}/?link=half`);
  await lobby.waitForSelector("html[data-ready] .tile.live");
  const page = await test.page(`${rust.url}/`);
  await page.waitForSelector("html[data-ready] .tile.live");
  await page.focus("#call-rust");
  await page.keyboard.press("Enter");
  await focused(page, "#call");
  await pictures(page, 3);
  for (const [name, viewport] of Object.entries(SIZES)) {
    for (const one of [lobby, page]) await one.setViewportSize(viewport);
    await reachable(lobby, ["#news .steps button"], `${name}, lobby with a notice`);
    const accessible = AXE.includes(name) ? axed : () => {};
    await accessible(lobby, `${name}, lobby`);
    await reachable(page, BAR, name);
    await accessible(page, `${name}, call`);
    for (const tab of ["chat", "keypad", "wires"]) {
      await page.click(`[data-open="${tab}"]`);
      await reachable(page, [...BAR, "#shut", `[data-open="${tab}"]`], `${name}, ${tab}`);
      if (tab === "chat") await reachable(page, ["#say input", "#say button"], `${name}, ${tab}`);
      await accessible(page, `${name}, ${tab}`);
    }
    // With all that the page may have to say at once.
    const notices = (hidden) => page.evaluate((hidden) => {
      for (const box of document.querySelectorAll(".notice")) {
        box.hidden = hidden;
        box.querySelector("p").textContent ||= "Words that take some room, and tell what has happened and what helps. ".repeat(2);
      }
    }, hidden);
    await notices(false);
    await reachable(page, BAR, `${name}, notices`);
    await accessible(page, `${name}, notices`);
    await page.click("#mute-mic");
    await page.waitForSelector('#mute-mic[data-state="muted"]');
    await page.click("#mute-mic");
    await page.click("#shut");
    await notices(true);
  }
  await lobby.context().close();
  await page.setViewportSize(SIZES.desktop);

  // The keyboard: into the drawer, between its tabs, and back to where it came from.
  await page.focus("#call");
  await page.keyboard.press("Escape"); // Nothing is open: nothing happens.
  await focused(page, "#call");
  const inside = { chat: "#say input", keypad: ".keys button", wires: '[data-tab="wires"]' };
  for (const [tab, selector] of Object.entries(inside)) {
    await page.focus(`[data-open="${tab}"]`);
    await page.keyboard.press("Enter");
    await focused(page, selector);
    assert((await page.getAttribute(`[data-open="${tab}"]`, "aria-expanded")) === "true", `${tab} does not say that it is open`);
    await page.keyboard.press("Escape");
    await shut(page);
    await focused(page, `[data-open="${tab}"]`);
    assert((await page.getAttribute(`[data-open="${tab}"]`, "aria-expanded")) === "false", `${tab} says that it is open`);
    // The cross, and the button itself.
    await page.keyboard.press("Enter");
    await page.focus("#shut");
    await page.keyboard.press("Enter");
    await shut(page);
    await focused(page, `[data-open="${tab}"]`);
    await page.click(`[data-open="${tab}"]`);
    await page.click(`[data-open="${tab}"]`);
    await shut(page);
    await focused(page, `[data-open="${tab}"]`);
  }
  await page.click('[data-open="chat"]');
  await page.focus('[data-tab="chat"]');
  for (const [key, tab] of [["ArrowRight", "keypad"], ["ArrowRight", "wires"], ["ArrowRight", "chat"], ["ArrowLeft", "wires"], ["Home", "chat"], ["End", "wires"], ["ArrowLeft", "keypad"]]) {
    await page.keyboard.press(key);
    await focused(page, `[data-tab="${tab}"][aria-selected="true"]`);
    assert((await page.$$eval("[data-panel]:not([hidden])", (panels) => panels.map(({ dataset }) => dataset.panel).join())) === tab, `not ${tab}`);
  }
  await page.keyboard.press("Escape");
  await focused(page, '[data-open="keypad"]');
  // Focus that is elsewhere stays there.
  await page.click('[data-open="wires"]');
  await page.focus("#mute-mic");
  await page.keyboard.press("Escape");
  await shut(page);
  await focused(page, "#mute-mic");
  // The call ends under an open drawer.
  await page.click('[data-open="chat"]');
  await page.click("#hang-up");
  await focused(page, "#call-rust");
  await page.click("#call-rust");
  await pictures(page, 3);
  await page.click('[data-open="chat"]');
  await rust.kill();
  await focused(page, "#news button");
  await axed(page, "lobby with a notice");
  test.forgive(/WebSocket connection|ERR_CONNECTION_REFUSED/);
});
