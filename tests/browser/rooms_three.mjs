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
  console.log("files both ways");

  // The owner leaves: Firefox owns the room, which lives. It puts ortc call out.
  await page.click("#hang-up");
  await until(other, () => document.querySelectorAll("#tiles .tile.picture").length === 2 && document.querySelector("#tiles .tile.own .crown"), "that the room lives");
  await enterRoom(page, { name: "Ada", room: "three" });
  await happens(page, three, "three pictures after coming back");
  await other.evaluate(() => {
    const rust = session.room("three").others.find(({ extra }) => extra?.name === "Rust");
    session.eject(rust.userid);
  });
  const code = await Promise.race([ended, pause(20_000).then(() => "not ended")]);
  assert(code !== "not ended", `ortc call was put out and goes on: ${lines.join("\n")}`);
  await seesAll(page, 2);
  console.log(`put out: ortc call ended with ${code}`);
  assert(!fox.complaints().length, fox.complaints().join("\n"));
});
