// D41: two pages draw at one drawing at once: the same on both, and again after a reload; who comes later has it, too.
import { assert, run } from "./harness.mjs";
import { enterRoom, happens, lobby, serve } from "./rooms.mjs";

/** What a page shows, as the drawing itself has it. */
const drawn = async (page) => page.evaluate(async () => {
  const { current } = await import("/rooms/page/draw.js");
  return JSON.stringify(current()?.strokes.map(({ by, n, colour, width, points }) => ({ by, n, colour, width, points })) ?? []);
});

async function same(pages, count) {
  const shown = (count) => document.querySelector("#canvas").ariaLabel.startsWith(`drawing of ${count} stroke`);
  for (const page of pages) await page.waitForFunction(shown, count, { polling: 100 }).catch(async () => { throw new Error(`not ${count} strokes: ${await drawn(page)}`); });
  const [first, ...others] = await Promise.all(pages.map(drawn));
  for (const other of others) assert(other === first, `two drawings:\n${first}\n${other}`);
  return JSON.parse(first);
}

async function open(page, tab) {
  await page.bringToFront();
  await page.click('[data-open="settings"]');
  await page.click(`[data-tab="${tab}"]`);
}

/** Lines by the mouse, with parts of the canvas as their places. */
async function draw(page, colour, ...lines) {
  await page.click(`#colours [aria-label="${colour} colour"]`);
  const { x, y, width, height } = await page.locator("#canvas").boundingBox();
  const to = (point) => [x + point[0] * width, y + point[1] * height];
  for (const [first, ...rest] of lines) {
    await page.mouse.move(...to(first));
    await page.mouse.down();
    for (const point of rest) await page.mouse.move(...to(point), { steps: 8 });
    await page.mouse.up();
  }
}

await run("rooms_widgets", 100, async (test) => {
  const server = await serve(test);
  const enter = async (name, beside) => {
    const page = await lobby(test, `${server.url}/`, beside);
    for (const box of ["#use-camera", "#use-mic"]) await page.uncheck(box);
    await enterRoom(page, { name, room: "board" });
    return page;
  };
  const ada = await enter("Ada");
  const grace = await enter("Grace", ada);
  for (const page of [ada, grace]) {
    await happens(page, () => session.peers.length === 1 && session.peers[0].talk.open, "a channel");
    await open(page, "draw");
  }
  await Promise.all([
    draw(ada, "red", [[0.1, 0.1], [0.9, 0.2], [0.5, 0.5]], [[0.1, 0.9], [0.2, 0.8]]),
    draw(grace, "blue", [[0.3, 0.1], [0.3, 0.9]], [[0.5, 0.5]], [[0.6, 0.1], [0.9, 0.9]]),
  ]);
  const strokes = await same([ada, grace], 5);
  assert(new Set(strokes.map(({ by }) => by)).size === 2 && strokes.some(({ points }) => points.length === 2) && strokes.some(({ points }) => points.length > 12), JSON.stringify(strokes));
  await grace.click("#undo");
  await same([ada, grace], 4);

  // By the keyboard.
  await ada.bringToFront();
  await ada.focus("#canvas");
  for (const key of [" ", "ArrowRight", "ArrowDown", "ArrowLeft", " "]) await ada.keyboard.press(key);
  await same([ada, grace], 5);

  // Ada comes back, with what she drew; Grace leaves, and what she drew stays for who comes then.
  const before = await drawn(grace);
  await ada.reload();
  await ada.waitForSelector("html[data-ready]");
  await ada.waitForSelector("#call:not([hidden])").catch(() => enterRoom(ada, { name: "Ada", room: "board" }));
  await happens(ada, () => session.peers[0]?.talk.open, "a channel after the reload");
  await open(ada, "draw");
  await same([ada, grace], 5);
  assert((await drawn(ada)) === before, "the drawing after a reload");
  await ada.click("#undo");
  await same([ada, grace], 4);
  await grace.click("#hang-up");
  await happens(ada, () => session.peers.length === 0, "that Grace has left");
  const emmy = await enter("Emmy", ada);
  await same([ada, emmy], 4);

  // Hostile words change nothing.
  await emmy.evaluate(() => {
    for (const body of [null, 5, [], {}, { stroke: {} }, { stroke: { by: "x" } }, { clear: { n: 2 ** 53 } }, { kept: { strokes: [{}] } }, { erase: { by: "x", n: 1 } }, { have: 1 }]) session.action("x.draw", body);
  });
  await happens(ada, async () => (await import("/rooms/page/draw.js")).current().refused === 10, "that they are counted");
  await same([ada, emmy], 4);
  await open(emmy, "draw");
  await emmy.click("#wipe");
  for (const page of [ada, emmy]) await happens(page, () => document.querySelector("#canvas").ariaLabel === "empty drawing", "an empty drawing");
  console.log("one drawing");
});
