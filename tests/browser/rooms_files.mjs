// Files in the page of rooms: page to page, page to Rust, Rust to page, with folders, several at once, pause, a reload in the
// middle, hostile names; what came is shown, saved, removed (C11, C44, C46, C48, C49, C88, D20, D21, D22, D23, D24).
// ORTC_SOAK=1 sends 200 MB in place of a few.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { assert, modules, run } from "./harness.mjs";
import { enterRoom, happens, lobby, serve } from "./rooms.mjs";

const MB = 1024 * 1024;
const soak = process.env.ORTC_SOAK === "1";
const LARGE = soak ? 200 * MB + 4321 : 12 * MB + 4321;
const axe = createRequire(`${modules}/package.json`)("axe-core");
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
  // Offers, list and viewer keep to what axe looks for, on a small phone as well.
  const axed = async (where) => {
    await grace.evaluate(axe.source);
    const { violations } = await grace.evaluate(() => window.axe.run(document));
    assert(!violations.length, violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`).join("\n"));
    assert(await grace.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where} scrolls sideways`);
  };
  await axed("offers");
  for (const title of ["2 files", "pasted.png", "holiday"]) await take(grace, title);
  for (const title of ["2 files", "pasted.png", "holiday"]) await line(grace, title, "received and checked");
  assert((await grace.innerText("#files")).includes("holiday/a/one.txt"), "the folder's names");
  console.log("folders, several at once, dropped and pasted");

  // D22, D21: shown, and never run; saved, removed.
  const view = async (name, selector) => {
    await grace.click(`#files button[aria-label="View: ${name}"]`);
    await grace.waitForSelector(`#viewer[open] ${selector}`);
  };
  // Sound, film, and a PDF in the browser's own viewer.
  const wav = Buffer.alloc(44 + 8000);
  wav.write("RIFF$\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\b\0data@\x1f\0\0", 0, "latin1");
  wav.fill(128, 44);
  const pdf = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj\ntrailer<</Root 1 0 R>>\n";
  await ada.evaluate(async () => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    for (let at = 0; at < 20; at++) {
      context.fillRect(at, at, 9, 9);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    recorder.stop();
    await new Promise((resolve) => { recorder.onstop = resolve; });
    window.film = new File(parts, "film.webm");
    session.sendFiles([film]);
  });
  await take(grace, "film.webm");
  await line(grace, "film.webm", "received and checked");
  await view("film.webm", "video");
  await grace.waitForFunction(() => document.querySelector("#viewer video").videoWidth > 0);
  await grace.click("#viewer-shut");
  await choose(ada, [await file("tone.wav", wav), await file("true.pdf", pdf)]);
  await take(grace, "2 files");
  await grace.waitForSelector('#files button[aria-label="View: true.pdf"]');
  await view("tone.wav", "audio");
  await grace.waitForFunction(() => document.querySelector("#viewer audio").duration > 0.9);
  await grace.click("#viewer-shut");
  await view("true.pdf", "iframe");
  await grace.waitForTimeout(500);
  await grace.click("#viewer-shut");

  await choose(ada, [await file("page.html", "<script>parent.hacked = true</script><b>bold</b>"), await file("drawing.svg", `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>parent.hacked = true</script><rect width="9" height="4"/></svg>`), await file("paper.pdf", "<script>parent.hacked = true</script>")]);
  await take(grace, "3 files");
  await line(grace, "3 files", "received and checked");
  await view("page.html", "pre");
  assert((await grace.textContent("#viewer pre")).includes("<b>bold</b>") && !(await grace.$("#viewer pre b")), "a page of another is run");
  await grace.click("#viewer-shut");
  await grace.setViewportSize({ width: 320, height: 568 });
  await axed("list");
  await view("drawing.svg", "img");
  await axed("viewer");
  await grace.setViewportSize({ width: 1280, height: 800 });
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
  // All of a folder, into one that is picked: with its own folders, and over nothing that is there.
  await grace.evaluate(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle("picked", { create: true });
    window.showDirectoryPicker = async () => root;
    window.picked = async (folder = root, way = "") => {
      let found = [];
      for await (const [name, handle] of folder) found = found.concat(handle.kind === "file" ? `${way}${name}: ${await (await handle.getFile()).text()}` : await picked(handle, `${way}${name}/`));
      return found.sort();
    };
  });
  const once = ["holiday/a/one.txt: one", "holiday/empty.txt: ", "holiday/two.txt: two"];
  for (const wanted of [once, [...once, "holiday/a/one (1).txt: one", "holiday/empty (1).txt: ", "holiday/two (1).txt: two"]]) {
    await grace.click('#files > li:has(b:text-is("holiday")) button:text-is("Save all")');
    await grace.waitForFunction(async (wanted) => JSON.stringify(await picked()) === wanted, JSON.stringify(wanted.sort()), { polling: 100, timeout: 20_000 })
      .catch(async () => { throw new Error(`saved: ${await grace.evaluate(() => picked())}`); });
  }
  await grace.click('#files > li:has(b:text-is("small.bin")) button:text-is("Remove")');
  assert(!(await grace.innerText("#files")).includes("small.bin"), "it is still in the list");
  await grace.check("#files-hide");
  assert(!(await grace.isVisible('#files > li:has(b:text-is("holiday"))')), "what is done is not hidden");
  await grace.uncheck("#files-hide");
  console.log("shown, saved, removed, hidden");

  // D23: by person.
  await grace.check("#files-group");
  assert(await grace.evaluate(() => document.querySelectorAll('#files > li[style*="--group: 1"]').length === 1), "one person, one group");
  await grace.uncheck("#files-group");

  // D24: stopped on its way, by each side; what came is thrown away.
  const kept = () => grace.evaluate(async () => (await (await import("/rooms/files/store.js")).Keep.all()).some(({ about }) => about.title === "stop.bin"));
  const stop = await file("stop.bin", randomBytes(6 * MB));
  for (const stopper of [ada, grace]) {
    await grace.evaluate(() => session.addEventListener("fileProgress", function hear({ transfer }) {
      if (transfer.title !== "stop.bin" || transfer.bytes < 1_000_000 || transfer.over) return;
      session.removeEventListener("fileProgress", hear);
      transfer.pause();
    }));
    await choose(ada, [stop]);
    await take(grace, "stop.bin");
    await line(grace, "stop.bin", "paused");
    await line(ada, "stop.bin", "paused by the other side");
    await stopper.click('#files button[aria-label="Cancel: stop.bin"]');
    for (const page of [ada, grace]) await line(page, "stop.bin", "cancelled");
    for (const end = Date.now() + 10_000; await kept(); await grace.waitForTimeout(100)) assert(Date.now() < end, "what was cancelled is kept");
  }
  console.log("stopped by each side");

  // Refused.
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

  // C46, D24, D35: paused by the receiver, and the receiver's page is loaded anew: what it has is not sent again.
  const pauseAt = (page, bytes) => page.evaluate((bytes) => session.addEventListener("fileProgress", ({ transfer }) => {
    if (transfer.title === "again.bin" && transfer.bytes >= bytes && !window.stopped) (window.stopped = true, transfer.pause());
  }), bytes);
  const again = randomBytes(LARGE);
  const againPath = await file("again.bin", again);
  await ada.selectOption("#files-to", { label: "Grace" });
  await pauseAt(grace, LARGE / 3);
  await choose(ada, [againPath]);
  await take(grace, "again.bin");
  await line(grace, "again.bin", "paused");
  await line(ada, "again.bin", "paused by the other side");
  await grace.reload();
  await grace.waitForSelector("#call:not([hidden])");
  await panel(grace);
  await line(grace, "again.bin", "received and checked", soak ? 300_000 : 60_000);
  await line(ada, "again.bin", "sent, and checked");
  /** What was not sent again. */
  const before = async (page) => (await page.innerText('#files > li:has(b:text-is("again.bin")) small')).match(/([\d.]+ .B) were here before/)?.[1];
  assert(await before(grace), "all of it was sent again after the reload");
  assert((await stored(grace, "again.bin")) === sha(again), "another file after a reload");
  console.log(`the receiver reloaded: ${await before(grace)} of ${(LARGE / 1e6).toFixed(1)} MB were there`);

  // The sender's page is loaded anew: it asks for the file again, and takes no other.
  await grace.click('#files > li:has(b:text-is("again.bin")) button:text-is("Remove")');
  await pauseAt(grace, LARGE / 3);
  await choose(ada, [againPath]);
  await take(grace, "again.bin");
  await line(grace, "again.bin", "paused");
  await ada.goto("about:blank");
  await line(grace, "again.bin", "interrupted");
  await ada.goto(`${base}?debug#files?name=Ada`);
  await ada.waitForSelector("#call:not([hidden])");
  await happens(ada, () => session.peers.length === 1 && session.peers[0].talk.open, "a channel");
  await panel(ada);
  const goOn = async (path) => {
    await line(ada, "again.bin", "interrupted");
    await ada.click('#files > li:has(b:text-is("again.bin")) button:text-is("Go on")');
    const [chooser] = await Promise.all([ada.waitForEvent("filechooser"), ada.click('#news button:text-is("Choose")')]);
    await chooser.setFiles(path);
  };
  await file("other/again.bin", randomBytes(LARGE - 1));
  await goOn(join(folder, "other/again.bin"));
  await happens(ada, () => /These are others/.test(document.querySelector("#news").textContent), "that it is another file");
  await goOn(againPath);
  await line(grace, "again.bin", "received and checked", soak ? 300_000 : 60_000);
  assert((await before(grace)) && (await stored(grace, "again.bin")) === sha(again), "another file after the sender's reload");
  console.log(`the sender reloaded: ${await before(grace)} of ${(LARGE / 1e6).toFixed(1)} MB were there`);

  // I1, I2: names that are meant to be something else, sizes that lie.
  const hostile = (entries, bytes, after) => ada.evaluate(async ([entries, bytes, after]) => {
    const channel = session.peers[0].connection.createDataChannel("rooms.file", { protocol: "ortc-files" });
    const heard = [];
    channel.onmessage = ({ data }) => {
      heard.push(JSON.parse(data));
      for (const [when, messages] of Object.entries(after)) if (when in heard.at(-1)) for (const one of messages) channel.send(typeof one === "string" ? new Uint8Array(Number(one)) : JSON.stringify(one));
    };
    await new Promise((resolve) => { channel.onopen = resolve; });
    channel.send(JSON.stringify({ offer: { version: 1, id: crypto.randomUUID(), key: crypto.randomUUID(), entries: entries.length, bytes } }));
    channel.send(JSON.stringify({ entries }));
    channel.send(JSON.stringify({ offered: {} }));
    const failed = () => heard.find((one) => one.failed || one.reject || one.finished || one.cancel);
    for (const end = Date.now() + 15_000; !failed() && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 50));
    return failed();
  }, [entries, bytes, after]);
  const answered = async (work, title) => {
    const ended = work();
    await take(grace, title);
    return ended;
  };
  const one = (name, size = 10) => [{ path: [name], size }];
  const zeros = "4ef3c4bd2b4ba0ee0a3ec2c2e0d3cd3f3a1e1c1b7d5d9e6d1c9c0f8a7b6a5b4c"; // of nothing in particular
  const wrong = { block: { index: 0, size: 10, hash: zeros } };
  const begun = { begin: { file: 0, from: 0 } };
  for (const [title, entries, bytes, after, code] of [
    ["more.bin", one("more.bin"), 10, { get: [begun, wrong, "11"] }, "malformed"],
    ["flood.bin", one("flood.bin"), 10, { get: [...Array(70).fill("65536")] }, "malformed"],
    ["wrong.bin", one("wrong.bin"), 10, { get: [begun, wrong, "10"], reset: [{ reset: {} }] }, "corrupt"],
    ["early.bin", one("early.bin", 3_000_000), 3_000_000, { get: [begun, { end: { hash: zeros } }] }, "malformed"],
    ["huge.bin", one("huge.bin", 2 ** 52), 2 ** 52, {}, "quota"],
  ]) {
    const told = await answered(() => hostile(entries, bytes, after), title);
    assert(told?.failed?.code === code, `${title}: ${JSON.stringify(told)}`);
  }
  for (const [entries, bytes] of [[one("lies"), 11], [[{ path: [], size: 1 }], 1], [[{ path: ["x"], size: -1 }], -1], [[{ path: ["x"], size: "1" }], 1]]) {
    const told = await hostile(entries, bytes, {});
    assert(told?.failed?.code === "malformed", `${JSON.stringify(entries)}: ${JSON.stringify(told)}`);
  }
  const names = ["../../etc/passwd", "<img src=x onerror='window.hacked=1'>", "gpj.\u202eexe.txt", "CON", ".bashrc"];
  for (const name of names) {
    const ended = hostile([{ path: ["..", name], size: 0 }, { path: [name], size: 0 }], 0, { get: [begun, { end: { hash: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" } }, { begin: { file: 1, from: 0 } }, { end: { hash: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" } }] });
    await grace.waitForSelector(".offer:has-text('2 files') button.main");
    await take(grace, "2 files");
    await ended;
  }
  assert(!(await grace.evaluate(() => window.hacked || document.querySelector("#files img, #offers img"))), "a name became an element");
  assert(!/\u202e/.test(await grace.innerText("#files")), "a name turns the line");
  const { sanitised } = await import(join(import.meta.dirname, "../../web/rooms/files/messages.js"));
  for (const name of names) assert(/^[^./\\<>:\u202e][^/\\<>:\u202e]*$/.test(sanitised(name)), `${name} becomes ${sanitised(name)}`);
  console.log("hostile names, sizes and bytes");
});
