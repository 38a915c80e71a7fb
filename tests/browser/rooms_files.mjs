// Files in the page of rooms: page to page, page to Rust, Rust to page, with folders, several at once, pause, a reload in the
// middle, hostile names; what came is shown, saved, removed (C11, C44, C46, C48, C49, C88, D20, D21, D22, D24).
// ORTC_SOAK=1 sends 200 MB in place of a few.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, run } from "./harness.mjs";
import { enterRoom, happens, lobby, serve } from "./rooms.mjs";

const MB = 1024 * 1024;
const soak = process.env.ORTC_SOAK === "1";
const LARGE = soak ? 200 * MB + 4321 : 12 * MB + 4321;
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

await run("rooms_files", soak ? 600 : 170, async (test) => {
  const folder = await mkdtemp(join(tmpdir(), "ortc-files-"));
  test.cleanup.push(() => rm(folder, { recursive: true, force: true }));
  const file = async (name, bytes) => {
    const path = join(folder, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, bytes);
    return path;
  };
  const server = await serve(test);
  const base = `${server.url}/`;
  const ada = await lobby(test, base);
  await ada.uncheck("#use-camera");
  await ada.uncheck("#use-mic");
  await enterRoom(ada, { name: "Ada", room: "files" });
  const grace = await lobby(test, `${base}#files?name=Grace`);
  for (const page of [ada, grace]) await happens(page, () => session.peers.length === 1 && session.peers[0].talk.open, "a channel");
  const panel = async (page) => {
    if (await page.isVisible("#panel-files")) return;
    if (!(await page.isVisible("#drawer"))) await page.click('[data-open="settings"]');
    await page.click("#tab-files");
  };
  const choose = async (page, paths) => {
    await panel(page);
    await page.setInputFiles("#choose-files-input", paths);
  };
  const take = (page, pattern) => page.click(`.offer:has-text("${pattern}") button.main`);
  /** Until a line of the list says this. */
  const line = (page, title, text, ms = 60_000) => page.waitForFunction(([title, text]) => [...document.querySelectorAll("#files > li")].some((one) => one.querySelector("b").textContent === title && one.querySelector("small").textContent.includes(text)), [title, text], { timeout: ms, polling: 100 })
    .catch(async () => { throw new Error(`never: ${title} ${text}: ${await page.innerText("#files")} / ${await page.innerText("#notices")}`); });
  const stored = (page, title, number = 0) => page.evaluate(async ([title, number]) => {
    const { Keep } = await import("/rooms/files/store.js");
    const keep = (await Keep.all()).find(({ about }) => about.title === title);
    const digest = await crypto.subtle.digest("SHA-256", await (await keep.file(number)).arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }, [title, number]);

  // One file, page to page: asked for, checked, the same.
  const small = randomBytes(3 * MB + 77);
  await choose(ada, [await file("small.bin", small)]);
  await grace.waitForSelector(".offer");
  assert(/Ada sends small.bin/.test(await grace.textContent(".offer")), await grace.textContent(".offer"));
  await take(grace, "small.bin");
  await line(grace, "small.bin", "received and checked");
  await line(ada, "small.bin", "sent, and checked");
  assert((await stored(grace, "small.bin")) === sha(small), "another file came");
  console.log("page to page");

  // A folder and three at once, by other ways: dropped, pasted.
  const drop = (page, event, names) => page.evaluate(([event, names]) => {
    const data = new DataTransfer();
    for (const [name, size] of names) data.items.add(new File([new Uint8Array(size).fill(7)], name, { type: "text/html" }));
    const target = document.body;
    target.dispatchEvent(event === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }) : new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [event, names]);
  await drop(ada, "dragenter", [["dropped.txt", 5]]);
  assert(await ada.isVisible("#drop"), "nothing shows that it may be dropped");
  await drop(ada, "drop", [["dropped.txt", 5], ["two.bin", 2 * MB]]);
  await drop(ada, "paste", [["pasted.png", 70_000]]);
  await file("holiday/a/one.txt", "one");
  await file("holiday/two.txt", "two");
  await file("holiday/empty.txt", "");
  await ada.setInputFiles("#choose-folder-input", join(folder, "holiday"));
  await grace.waitForFunction(() => document.querySelectorAll(".offer").length === 3);
  for (const title of ["2 files", "pasted.png", "holiday"]) await take(grace, title);
  for (const title of ["2 files", "pasted.png", "holiday"]) await line(grace, title, "received and checked");
  assert((await grace.innerText("#files")).includes("holiday/a/one.txt"), "the folder's names");
  console.log("folders, several at once, dropped and pasted");

  // D22, D21: shown, and never run; saved, removed.
  const view = async (name, selector) => {
    await grace.click(`#files button[aria-label="View: ${name}"]`);
    await grace.waitForSelector(`#viewer[open] ${selector}`);
  };
  await choose(ada, [await file("page.html", "<script>parent.hacked = true</script><b>bold</b>"), await file("drawing.svg", `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>parent.hacked = true</script><rect width="9" height="4"/></svg>`), await file("paper.pdf", "<script>parent.hacked = true</script>")]);
  await take(grace, "3 files");
  await line(grace, "3 files", "received and checked");
  await view("page.html", "pre");
  assert((await grace.textContent("#viewer pre")).includes("<b>bold</b>") && !(await grace.$("#viewer pre b")), "a page of another is run");
  await grace.click("#viewer-shut");
  await view("drawing.svg", "img");
  await grace.waitForFunction(() => document.querySelector("#viewer img").naturalWidth > 0);
  await grace.click("#turn");
  assert(await grace.evaluate(() => getComputedStyle(document.querySelector("#viewer img")).transform.startsWith("matrix(")), "it is not turned");
  await grace.keyboard.press("Escape");
  await view("paper.pdf", "p");
  await grace.click("#viewer-shut");
  assert(!(await grace.evaluate(() => globalThis.hacked)), "a file was run");
  const saving = grace.waitForEvent("download");
  await grace.click('#files button[aria-label="Save: small.bin"]');
  const saved = await saving;
  assert(saved.suggestedFilename() === "small.bin", saved.suggestedFilename());
  assert(sha(await readFile(await saved.path())) === sha(small), "another file was saved");
  await grace.click('#files > li:has(b:text-is("small.bin")) button:text-is("Remove")');
  assert(!(await grace.innerText("#files")).includes("small.bin"), "it is still in the list");
  await grace.check("#files-hide");
  assert(!(await grace.isVisible('#files > li:has(b:text-is("holiday"))')), "what is done is not hidden");
  await grace.uncheck("#files-hide");
  console.log("shown, saved, removed, hidden");

  // Refused; cancelled by each side.
  await choose(ada, [await file("no.bin", randomBytes(MB))]);
  await grace.click('.offer:has-text("no.bin") button:text-is("Refuse")');
  await line(ada, "no.bin", "refused");

  // Page to Rust and Rust to page.
  const rust = (...args) => {
    const child = spawn(server.program, [...args, "--server", server.url, "--json"], { stdio: ["ignore", "pipe", "inherit"] });
    test.cleanup.push(() => child.kill("SIGKILL"));
    let text = "";
    child.stdout.on("data", (more) => { text += more; });
    return { child, ended: new Promise((resolve) => child.once("exit", (code) => resolve({ code, text }))) };
  };
  const got = await mkdtemp(join(tmpdir(), "ortc-got-"));
  test.cleanup.push(() => rm(got, { recursive: true, force: true }));
  const large = randomBytes(LARGE);
  const largePath = await file("large.bin", large);
  const receives = rust("recv", "--room", "files", "--to", got, "--yes", "--name", "Rust");
  await happens(ada, () => session.peers.some(({ user, talk }) => user.extra?.name === "Rust" && talk.open), "Rust in the room");
  await panel(ada);
  await ada.waitForFunction(() => [...document.querySelectorAll("#files-to option")].some((one) => one.textContent === "Rust"));
  await ada.selectOption("#files-to", { label: "Rust" });
  let begin = Date.now();
  await choose(ada, [largePath]);
  const { code, text } = await receives.ended;
  assert(code === 0, text);
  assert(sha(await readFile(join(got, "large.bin"))) === sha(large), "another file came to Rust");
  await line(ada, "large.bin", "sent, and checked");
  console.log(`page to Rust: ${(LARGE / MB / ((Date.now() - begin) / 1000)).toFixed(1)} MiB/s`);
  begin = Date.now();
  const sends = rust("send", largePath, "--room", "files", "--name", "Sender");
  await take(grace, "large.bin");
  await ada.click('.offer:has-text("large.bin") button:text-is("Refuse")');
  await line(grace, "large.bin", "received and checked", soak ? 300_000 : 60_000);
  console.log(`Rust to page: ${(LARGE / MB / ((Date.now() - begin) / 1000)).toFixed(1)} MiB/s`);
  assert((await stored(grace, "large.bin")) === sha(large), "another file came from Rust");
  await sends.ended;
});
