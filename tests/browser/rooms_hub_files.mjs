// E11, D25: a server that keeps files takes what a page sends once, and has it go to two other pages, to `ortc recv`, and to one that comes when the sender has gone; who sends more than is kept is told so.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, run } from "./harness.mjs";
import { enterRoom, happens, lobby, serve } from "./rooms.mjs";

const SIZE = 6 * 1024 * 1024 + 321;
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

await run("rooms_hub_files", 200, async (test) => {
  const folder = await mkdtemp(join(tmpdir(), "ortc-kept-"));
  test.cleanup.push(() => rm(folder, { recursive: true, force: true }));
  const server = await serve(test, "--hub", "--keep-files", join(folder, "kept"), "--keep-files-mb", "7");
  const bytes = randomBytes(SIZE);
  await writeFile(join(folder, "film.bin"), bytes);
  const ada = await lobby(test, `${server.url}/`);
  await ada.uncheck("#use-camera");
  await ada.uncheck("#use-mic");
  await enterRoom(ada, { name: "Ada", room: "kept" });
  await ada.evaluate(() => session.setPolicy({ topology: "hub" }));
  const grace = await lobby(test, `${server.url}/#kept?name=Grace`);
  const heidi = await lobby(test, `${server.url}/#kept?name=Heidi`);
  for (const page of [ada, grace, heidi]) await happens(page, () => session.rooms[0].links.length === 1 && session.peers.length === 2 && session.peers.every(({ byHub, state }) => byHub && state === "connected"), "all by the server");
  const recv = spawn(server.program, ["recv", "--room", "kept", "--name", "Rust", "--yes", "--server", server.url, "--json", "--to", join(folder, "got")], { stdio: ["ignore", "ignore", "inherit"] });
  test.cleanup.push(() => recv.kill("SIGKILL"));
  await happens(ada, () => session.peers.length === 3 && session.peers.every(({ byHub, state }) => byHub && state === "connected"), "Rust");

  const sent = () => ada.evaluate(async () => {
    const report = await session.rooms[0].links[0].connection.getStats();
    return [...report.values()].filter(({ type }) => type === "transport").reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  });
  const before = await sent();
  await ada.click('[data-open="settings"]');
  await ada.click("#tab-files");
  await ada.check("#files-later");
  await ada.setInputFiles("#choose-files-input", [join(folder, "film.bin")]);
  for (const page of [grace, heidi]) await page.waitForSelector('.offer:has-text("film.bin")');
  for (const page of [grace, heidi]) await page.click('.offer:has-text("film.bin") button.main');
  for (const page of [grace, heidi]) await page.waitForFunction(() => document.querySelector("#files")?.textContent.includes("received and checked"), null, { timeout: 80_000, polling: 100 }).catch(async () => {
    throw new Error(`never there: ${await page.innerText("#files")} / ${await page.innerText("#notices")}`);
  });
  const check = async (page) => {
    const got = await page.evaluate(async () => {
      const { Keep } = await import("/rooms/files/store.js");
      const keep = (await Keep.all()).find(({ about }) => about.title === "film.bin");
      const digest = await crypto.subtle.digest("SHA-256", await (await keep.file(0)).arrayBuffer());
      return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    });
    assert(got === sha(bytes), "another file came");
  };
  for (const page of [grace, heidi]) await check(page);
  await ada.waitForFunction(() => document.querySelector("#files").textContent.includes("sent, and checked"), null, { timeout: 20_000 });
  const up = (await sent()) - before;
  console.log(`${up} bytes went up of a file of ${SIZE} that two pages and Rust took`);
  assert(up < SIZE * 1.5, "more than one went up");
  for (const end = Date.now() + 20_000; ; await new Promise((wait) => setTimeout(wait, 100))) {
    const got = await readFile(join(folder, "got", "film.bin")).catch(() => null);
    if (got) {
      assert(sha(got) === sha(bytes), "another file came to Rust");
      break;
    }
    assert(Date.now() < end, "Rust has nothing");
  }

  // More than is kept goes on, and its sender reads why it takes longer.
  await writeFile(join(folder, "large.bin"), randomBytes(9 * 1024 * 1024));
  await grace.click('[data-open="settings"]');
  await grace.click("#tab-files");
  await grace.selectOption("#files-to", { label: "Heidi" });
  await grace.setInputFiles("#choose-files-input", [join(folder, "large.bin")]);
  await heidi.waitForSelector('.offer:has-text("large.bin")');
  await happens(grace, () => session.files.transfers.some(({ unkept }) => unkept?.code === "quota"), "why it is not kept");
  await heidi.click('.offer:has-text("large.bin") button:has-text("Refuse")');

  // Its sender goes; who comes then has it from the server.
  const adas = await ada.evaluate(() => session.userid);
  await ada.close();
  for (const page of [grace, heidi]) await page.waitForFunction((userid) => !session.rooms[0].users.has(userid), adas, { timeout: 40_000, polling: 100 });
  const ivan = await lobby(test, `${server.url}/#kept?name=Ivan`);
  await ivan.waitForSelector('.offer:has-text("film.bin")', { timeout: 30_000 });
  const words = await ivan.innerText(".offer");
  assert(words.includes("Ada, who has left, sends film.bin"), words);
  await ivan.click('.offer:has-text("film.bin") button.main');
  await ivan.waitForFunction(() => document.querySelector("#files")?.textContent.includes("received and checked"), null, { timeout: 30_000, polling: 100 });
  await check(ivan);
  assert((await ivan.innerText("#files")).includes("from Ada"), await ivan.innerText("#files"));
  console.log("from the server alone: a page that came when the sender had gone");
});
