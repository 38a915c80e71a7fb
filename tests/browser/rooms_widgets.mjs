// D16, D36, D41, D42, D49: two pages and a Rust peer draw at one drawing and write at one text at once: the same for all three, and again after a reload; who comes later has it, too.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { assert, pause, run } from "./harness.mjs";
import { enterRoom, lobby, serve } from "./rooms.mjs";

/** What a page shows, as the drawing itself has it. */
const drawn = async (page) => page.evaluate(async () => {
  const { current } = await import("/rooms/page/draw.js");
  return JSON.stringify(current()?.strokes.map(({ by, colour, n, points, width }) => ({ by, colour, n, points, width })) ?? []);
});

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

/** rooms/examples/board, as cargo built it: `tell` says a line to it, `shows` is what it has. */
async function board(test, server) {
  const program = process.env.ORTC_BOARD ?? server.program.replace(/ortc$/, "examples/board");
  const child = spawn(program, [`${server.url.replace(/^http/, "ws")}/ws`, "board"], { stdio: ["pipe", "pipe", "inherit"] });
  test.cleanup.push(() => child.kill("SIGKILL"));
  const lines = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const until = async (wanted, what) => {
    for (const end = Date.now() + 30_000; ; await pause(50)) {
      const found = lines.find(wanted);
      if (found) return found;
      assert(Date.now() < end, `the board never says ${what}: ${lines.join("\n")}`);
    }
  };
  const tell = (line) => child.stdin.write(`${line}\n`);
  await until((line) => line === "ready", "that it is ready");
  return {
    tell,
    until,
    async shows() {
      lines.length = 0;
      tell("show");
      return JSON.parse(await until((line) => line.startsWith("{"), "what it shows"));
    },
  };
}

const written = (page) => page.evaluate(async () => {
  const { current } = await import("/rooms/page/text.js");
  const { value } = document.querySelector("#text");
  if (value !== (current()?.text ?? "")) throw new Error(`the area shows ${value}`);
  return value;
});

/** Until all of them have as many strokes, and a text that has all of these words; it is the same everywhere. */
async function allSame(pages, rust, count, words) {
  for (const end = Date.now() + 40_000; ; await pause(100)) {
    const shows = await rust.shows();
    const texts = [shows.text, ...(await Promise.all(pages.map(written)))];
    const drawings = [JSON.stringify(shows.strokes), ...(await Promise.all(pages.map(drawn)))];
    const alike = [texts, drawings].every(([first, ...others]) => others.every((other) => other === first));
    if (alike && shows.strokes.length === count && words.every((word) => shows.text.includes(word))) return shows;
    assert(Date.now() < end, `not ${count} strokes and ${words}: ${JSON.stringify([texts, drawings])}`);
  }
}

await run("rooms_widgets", 200, async (test) => {
  const server = await serve(test, "--roles-free");
  const enter = async (name, beside) => {
    const page = await lobby(test, `${server.url}/`, beside);
    for (const box of ["#use-camera", "#use-mic"]) await page.uncheck(box);
    await enterRoom(page, { name, room: "board" });
    return page;
  };
  const ada = await enter("Ada");
  const [grace, rust] = await Promise.all([enter("Grace"), board(test, server)]);
  for (const page of [ada, grace]) {
    await page.waitForFunction(() => session.peers.filter(({ talk }) => talk.open).length === 2, null, { polling: 100 });
    await open(page, "draw");
  }

  // All three draw, then all three write, at once.
  await Promise.all([
    draw(ada, "red", [[0.1, 0.1], [0.9, 0.2], [0.5, 0.5]], [[0.1, 0.9], [0.2, 0.8]]),
    draw(grace, "blue", [[0.3, 0.1], [0.3, 0.9]], [[0.5, 0.5]]),
    rust.tell("line 10 10 20 20 30 10 40 20"), rust.tell("line 90 90 80 80"), rust.tell("undo"),
  ]);
  const { strokes } = await allSame([ada, grace], rust, 5, []);
  assert(new Set(strokes.map(({ by }) => by)).size === 3 && strokes.some(({ points }) => points.length === 2) && strokes.some(({ points }) => points.length > 8), JSON.stringify(strokes));
  for (const page of [ada, grace]) await open(page, "text");
  rust.tell("write 0 [R][A][G]");
  await allSame([ada, grace], rust, 5, ["[R][A][G]"]);
  const types = async (page, after, text) => {
    await page.focus("#text");
    await page.evaluate((after) => {
      const area = document.querySelector("#text");
      const at = area.value.indexOf(after) + after.length;
      area.setSelectionRange(at, at);
    }, after);
    await page.keyboard.type(text);
  };
  // Each at a place of its own, which moves while the others write before it: the caret goes along.
  await Promise.all([types(ada, "[A]", "Ada has tea. "), types(grace, "[G]", "Grüße 日本 🙂. "), (async () => {
    for (const [at, letter] of [..."Rust writes."].entries()) {
      rust.tell(`write ${3 + at} ${letter}`);
      await pause(20);
    }
  })()]);
  const whole = "[R]Rust writes.[A]Ada has tea. [G]Grüße 日本 🙂. ";
  const { text } = await allSame([ada, grace], rust, 5, [whole]);
  assert(text === whole, text);
  await grace.evaluate(() => document.querySelector("#text").select());
  await grace.keyboard.type("All new");
  await allSame([ada, grace], rust, 5, ["All new"]);
  await grace.click("#text-undo");
  await allSame([ada, grace], rust, 5, ["[A]Ada has tea. "]);

  // Ada comes back, with what she drew and may take back; Grace leaves, and what she drew stays.
  const before = await rust.shows();
  await ada.reload();
  await ada.waitForSelector("html[data-ready]");
  await ada.waitForSelector("#call:not([hidden])").catch(() => enterRoom(ada, { name: "Ada", room: "board" }));
  const after = await allSame([ada, grace], rust, 5, ["Ada has tea. "]);
  assert(JSON.stringify(after) === JSON.stringify(before), `after the reload ${JSON.stringify(after)}, before ${JSON.stringify(before)}`);
  await open(ada, "draw");
  await ada.click("#undo");
  await ada.focus("#canvas");
  for (const key of [" ", "ArrowRight", "ArrowDown", "ArrowLeft", " "]) await ada.keyboard.press(key);
  await ada.keyboard.press("Control+z");
  await allSame([ada, grace], rust, 4, []);
  await grace.click("#hang-up");
  const emmy = await enter("Emmy");
  await allSame([ada, emmy], rust, 4, ["Ada has tea. "]);

  // Cursors: shown to nobody at first, then with the name, where they are; gone when they are.
  await open(ada, "draw");
  await open(emmy, "draw");
  const over = async (x, y) => {
    const box = await emmy.locator("#canvas").boundingBox();
    await emmy.mouse.move(box.x + x * box.width, box.y + y * box.height);
  };
  await over(0.2, 0.2);
  await pause(300);
  assert(!(await ada.$(".cursor")), "a cursor that nobody wanted to be seen");
  await emmy.check("#show-cursor");
  const seen = ada.waitForFunction(() => {
    const mark = document.querySelector("#paper .cursor");
    if (!mark || mark.textContent !== "Emmy") return false;
    const [canvas, at] = [document.querySelector("#canvas"), mark].map((one) => one.getBoundingClientRect());
    return Math.abs(at.left - canvas.left - canvas.width / 2) < 3 && Math.abs(at.top - canvas.top - canvas.height / 4) < 3;
  }, null, { polling: 50 });
  await over(0.4, 0.4);
  await over(0.5, 0.25);
  await seen;
  await emmy.mouse.move(5, 5);
  await ada.waitForFunction(() => !document.querySelector(".cursor"), null, { polling: 50 });

  // Who looks on cannot ask, and sees it all the same; it draws and writes nothing.
  const grown = await lobby(test, `${server.url}/?role=inspector`);
  for (const box of ["#use-camera", "#use-mic"]) await grown.uncheck(box);
  await grown.click("#rules summary");
  await grown.selectOption("#role", "inspector");
  await enterRoom(grown, { name: "Ida", room: "board" });
  await allSame([ada, emmy, grown], rust, 4, ["Ada has tea. "]);
  await open(grown, "draw");
  await draw(grown, "violet", [[0.5, 0.5], [0.6, 0.6]]);
  assert(await grown.evaluate(() => document.querySelector("#text").readOnly && document.querySelector("#wipe").disabled), "who looks on may write");
  await grown.evaluate(() => session.action("x.draw", { clear: { n: Date.now() } }));
  await ada.waitForFunction(async () => (await import("/rooms/page/draw.js")).current().refused === 1, null, { polling: 100 });
  await allSame([ada, emmy, grown], rust, 4, ["Ada has tea. "]);
  await grown.close();

  // Hostile words change nothing.
  await emmy.evaluate(() => {
    for (const body of [null, 5, [], {}, { stroke: {} }, { stroke: { by: "x" } }, { clear: { n: 2 ** 53 } }, { kept: { strokes: [{}] } }, { erase: { by: "x", n: 1 } }, { have: 1 }]) session.action("x.draw", body);
    for (const body of [null, 5, {}, { have: {} }, { update: { data: "CQkJ" } }, { kept: { data: "?" } }]) session.action("x.text", body);
  });
  await ada.waitForFunction(async () => {
    const [draw, text] = await Promise.all(["draw", "text"].map((name) => import(`/rooms/page/${name}.js`)));
    return draw.current().refused === 11 && text.current().refused === 6;
  }, null, { polling: 100 });
  rust.tell("clear");
  await allSame([ada, emmy], rust, 0, ["Ada has tea. "]);
  console.log("one drawing, one text, cursors");
});
