// C3, C99, E18: Chromium, Firefox and `ortc call` in one room by `ortc serve`: three pictures at each. Chat, mute, a screen, the owner leaves, somebody is put out.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { firefox } from "./bidi.mjs";
import { assert, pause, run } from "./harness.mjs";
import { enterRoom, happens, lobby, said, seesAll, serve } from "./rooms.mjs";

/** Like `happens`, in a page of Firefox. */
async function until(page, look, what, ms = 40_000) {
  for (const end = Date.now() + ms; !(await page.evaluate(look)); await pause(150)) {
    assert(Date.now() < end, `never: ${what}: ${JSON.stringify(await page.evaluate(() => ({ status: document.querySelector("#status").textContent, news: document.querySelector("#news").textContent, tiles: [...document.querySelectorAll(".tile")].map((one) => `${one.className}: ${one.textContent}`) })))}`);
  }
}

/** Three people with a picture that moves. */
const three = () => {
  const tiles = [...document.querySelectorAll("#tiles .tile")];
  const moving = tiles.filter((tile) => {
    const video = tile.querySelector("video");
    if (!tile.matches(".picture") || !video) return false;
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    video.first ??= frames;
    return frames > video.first + 2;
  });
  return tiles.length === 3 && moving.length === 3;
};

/** The same in Firefox, which counts no frames of elements in a window that nobody sees. */
const threeDecoded = () => {
  const decoded = session.peers.filter((peer) => session.paths.of(peer)?.rows.some(({ kind, framesDecoded }) => kind === "video" && framesDecoded > 5));
  return decoded.length === 2 && document.querySelectorAll("#tiles .tile.picture").length === 3;
};

await run("rooms_three", 220, async (test) => {
  const server = await serve(test);
  const page = await lobby(test, `${server.url}/`);
  await enterRoom(page, { name: "Ada", room: "three" });
  const fox = await firefox(test.cleanup);
  console.log(`Firefox ${fox.version}`);
  const other = await fox.page(`${server.url}/?debug#three?name=Grace`, () => !document.querySelector("#call").hidden);
  await seesAll(page, 2);
  await until(other, () => document.querySelectorAll("#tiles .tile.picture").length === 2, "two pictures in Firefox");
  console.log("Chromium and Firefox see each other");

  const call = spawn(server.program, ["call", "three", "--server", server.url, "--name", "Rust", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  test.cleanup.push(() => call.kill("SIGKILL"));
  const lines = [];
  createInterface({ input: call.stdout }).on("line", (line) => lines.push(line));
  const ended = new Promise((resolve) => call.once("exit", resolve));
  await happens(page, three, "three pictures in Chromium", 60_000);
  await until(other, threeDecoded, "three pictures in Firefox", 60_000);
  for (const end = Date.now() + 30_000; ; await pause(200)) {
    const streams = lines.filter((line) => /stream/i.test(line) && !/ended/i.test(line));
    if (streams.length >= 2) break;
    assert(Date.now() < end, `ortc call sees fewer than two streams: ${lines.join("\n")}`);
  }
  console.log("Chromium, Firefox and ortc call: three pictures at each");

  // Chat both ways, and mute.
  await page.click('[data-open="chat"]');
  await page.fill("#say input", "from Chromium");
  await page.press("#say input", "Enter");
  await until(other, () => document.querySelector("#messages").textContent.includes("from Chromium"), "words in Firefox");
  await other.evaluate(() => {
    document.querySelector("#say input").value = "from Firefox";
    document.querySelector("#say").requestSubmit();
  });
  await said(page, "from Firefox");
  await other.evaluate(() => document.querySelector("#mute-camera").click());
  await happens(page, () => document.querySelectorAll("#tiles .tile.picture").length === 2, "a muted picture");
  await other.evaluate(() => document.querySelector("#mute-camera").click());
  await happens(page, three, "three pictures again");
  await page.click("#shut");
  // Who records the room is named.
  await other.evaluate(() => session.action("x.recording", { on: true }));
  await happens(page, () => /^recorded by Grace$/.test(document.querySelector("#recorded:not([hidden])")?.textContent), "who records");
  await other.evaluate(() => session.action("x.recording", { on: false }));
  await happens(page, () => document.querySelector("#recorded").hidden, "nobody records");
  // A screen of Chromium in Firefox.
  await page.click("#share-screen");
  await until(other, () => [...document.querySelectorAll("#stage video")].some((video) => video.videoWidth > 0), "the screen in Firefox");
  await page.click("#share-screen");
  await until(other, () => document.querySelector("#stage").hidden, "an empty stage");
  console.log("chat, mute, screen");

  // Both draw, and both write, at one drawing and one text.
  const opens = (tab) => {
    document.querySelector('[data-open="settings"]').click();
    document.querySelector(`[data-tab="${tab}"]`).click();
  };
  const strokes = async () => (await import("/rooms/page/draw.js")).current()?.strokes.filter(({ points }) => points.length > 3).length === 2;
  await Promise.all([page.evaluate(opens, "draw"), other.evaluate(opens, "draw")]);
  const box = () => {
    const { x, y, width, height } = document.querySelector("#canvas").getBoundingClientRect();
    return [x, y, width, height];
  };
  const line = ([x, y, width, height], parts) => parts.map(([right, down]) => [Math.round(x + right * width), Math.round(y + down * height)]);
  const parts = [[0.2, 0.2], [0.3, 0.4], [0.5, 0.4], [0.6, 0.7], [0.8, 0.7]];
  const [first, ...rest] = line(await page.evaluate(box), parts);
  await page.mouse.move(...first);
  await page.mouse.down();
  for (const point of rest) await page.mouse.move(...point, { steps: 3 });
  await page.mouse.up();
  const moves = line(await other.evaluate(box), parts.map(([right, down]) => [right, 1 - down])).map(([x, y]) => ({ type: "pointerMove", x, y, duration: 30 }));
  await other.act({ type: "pointer", id: "mouse", actions: [moves[0], { type: "pointerDown", button: 0 }, ...moves.slice(1), { type: "pointerUp", button: 0 }] });
  await until(other, strokes, "both strokes in Firefox");
  await happens(page, strokes, "both strokes in Chromium");
  await Promise.all([page.evaluate(opens, "text"), other.evaluate(opens, "text")]);
  const ready = async () => Boolean((await import("/rooms/page/text.js")).current()) && !document.querySelector("#text").disabled;
  await until(other, ready, "a text in Firefox");
  await happens(page, ready, "a text in Chromium");
  await page.focus("#text");
  await page.keyboard.type("Chromium 日本. ");
  await until(other, () => document.querySelector("#text").value === "Chromium 日本. ", "what Chromium wrote");
  await other.evaluate(() => {
    const area = document.querySelector("#text");
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  });
  await other.act({ type: "key", id: "keys", actions: [..."Firefox Grüße."].flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]) });
  const both = () => document.querySelector("#text").value === "Chromium 日本. Firefox Grüße.";
  await until(other, both, "both texts in Firefox");
  await happens(page, both, "both texts in Chromium");
  console.log("drawing, text");

  // Files both ways, kept on the disk in both browsers.
  const takes = () => session.addEventListener("fileOffer", ({ transfer }) => transfer.take());
  const sends = async (name) => {
    const bytes = new Uint8Array(3_000_000).map((_, at) => at * 7 + at / 991);
    const { userid } = session.peers.find(({ user }) => user.extra.name === name);
    const [transfer] = session.sendFiles([new File([bytes], "both ways.bin")], { to: userid });
    await transfer.ended;
    return transfer.error?.message ?? transfer.state;
  };
  const has = async () => {
    const { Keep } = await import("/rooms/files/store.js");
    const [keep] = await Keep.all();
    const bytes = new Uint8Array(await (await keep.file(0)).arrayBuffer());
    return keep.disk && bytes.length === 3_000_000 && bytes.every((byte, at) => byte === ((at * 7 + at / 991) & 255));
  };
  await Promise.all([page.evaluate(takes), other.evaluate(takes)]);
  const there = await page.evaluate(sends, "Grace");
  assert(there === "done" && (await other.evaluate(has)), `a file to Firefox: ${there}`);
  const back = await other.evaluate(sends, "Ada");
  assert(back === "done" && (await page.evaluate(has)), `a file from Firefox: ${back}`);
  // A folder of Firefox's.
  const folder = await other.evaluate(async () => {
    const { userid } = session.peers.find(({ user }) => user.extra.name === "Ada");
    const item = (path) => ({ path, file: new File([path.join("/")], path.at(-1)) });
    const [transfer] = session.sendFiles([item(["trip", "one.txt"]), item(["trip", "a", "two.txt"])], { to: userid });
    await transfer.ended;
    return transfer.error?.message ?? transfer.state;
  });
  const came = await page.evaluate(async () => {
    const { Keep } = await import("/rooms/files/store.js");
    const keep = (await Keep.all()).find(({ about }) => about.entries.some(({ path }) => path[0] === "trip"));
    const files = keep.about.entries.flatMap(({ folder, path }, at) => (folder ? [] : [[path.join("/"), at]]));
    return Promise.all(files.map(async ([path, at]) => `${path}: ${await (await keep.file(at)).text()}`));
  });
  assert(folder === "done" && came.sort().join() === "trip/a/two.txt: trip/a/two.txt,trip/one.txt: trip/one.txt", `a folder from Firefox: ${folder}, ${came}`);
  console.log("files both ways, a folder");

  // The owner leaves: Firefox owns the room, which lives. It puts ortc call out.
  await page.click("#hang-up");
  await until(other, () => document.querySelectorAll("#tiles .tile.picture").length === 2 && document.querySelector("#tiles .tile.own .crown"), "that the room lives");
  await enterRoom(page, { name: "Ada", room: "three" });
  await happens(page, three, "three pictures after coming back");
  await other.evaluate(() => {
    const rust = session.room("three").others.find(({ extra }) => extra?.name === "Rust");
    session.eject(rust.userid);
  });
  const status = await Promise.race([ended, pause(20_000).then(() => "not ended")]);
  assert(status !== "not ended", `ortc call was put out and goes on: ${lines.join("\n")}`);
  await seesAll(page, 2);
  console.log(`put out: ortc call ended with ${status}`);

  // A file by a code of three words, whose secret Firefox proves.
  const send = spawn(server.program, ["send", "Cargo.toml", "--server", server.url, "--json"], { cwd: new URL("../..", import.meta.url).pathname, stdio: ["ignore", "pipe", "inherit"] });
  test.cleanup.push(() => send.kill("SIGKILL"));
  const sent = new Promise((resolve) => send.once("exit", resolve));
  const code = await new Promise((resolve, reject) => {
    createInterface({ input: send.stdout }).on("line", (line) => {
      const found = /"code":"([a-z-]+)"/.exec(line);
      if (found) resolve(found[1]);
    });
    sent.then(() => reject(new Error("ortc send has no code")));
  });
  const third = await fox.page(`${server.url}/?debug#/recv/${code}`, () => document.querySelector(".offer button.main") !== null);
  await third.evaluate(() => document.querySelector(".offer button.main").click());
  await until(third, () => document.querySelector("#files")?.textContent.includes("received and checked"), "a file by a code in Firefox");
  assert((await sent) === 0, "ortc send failed");
  console.log("a file by a code");
  assert(!fox.complaints().length, fox.complaints().join("\n"));
});
