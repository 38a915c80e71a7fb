// Files by a code of three words: `ortc send` to a page, a page to `ortc recv`, page to page; a wrong code is one guess (C92, E1).
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, capture, run } from "./harness.mjs";
import { happens, lobby, serve } from "./rooms.mjs";

await run("rooms_codes", 120, async (test) => {
  const folder = await mkdtemp(join(tmpdir(), "ortc-codes-"));
  test.cleanup.push(() => rm(folder, { recursive: true, force: true }));
  const bytes = randomBytes(2_000_000);
  const path = join(folder, "photo.jpg");
  await writeFile(path, bytes);
  const server = await serve(test);
  const rust = (...args) => {
    const child = spawn(server.program, [...args, "--server", server.url, "--json"], { stdio: ["ignore", "pipe", "inherit"] });
    test.cleanup.push(() => child.kill("SIGKILL"));
    const seen = { text: "" };
    child.stdout.on("data", (more) => { seen.text += more; });
    return { seen, ended: new Promise((resolve) => child.once("exit", resolve)) };
  };
  const says = (page, text) => page.waitForFunction((text) => document.querySelector("#files")?.textContent.includes(text), text, { timeout: 40_000 }).catch(async () => { throw new Error(`never: ${text}: ${await page.innerText("body")}`); });

  // Rust to a page, by an address.
  const sends = rust("send", path);
  for (const end = Date.now() + 20_000; !/"code":"/.test(sends.seen.text); await new Promise((resolve) => setTimeout(resolve, 50))) assert(Date.now() < end, sends.seen.text);
  const [, code] = /"code":"([a-z-]+)"/.exec(sends.seen.text);
  const ada = await lobby(test, `${server.url}/#/recv/${code}`);
  const texts = capture(ada);
  await ada.click(".offer button.main");
  await says(ada, "received and checked");
  assert((await sends.ended) === 0, sends.seen.text);
  await ada.click("#hang-up");
  await ada.waitForSelector("#lobby:not([hidden])");

  // A page to Rust: the code is shown, the file waits for who comes.
  await ada.click("#send-by-code");
  await ada.waitForSelector("#code-card:not([hidden])");
  await ada.setInputFiles("#choose-files-input", path);
  await says(ada, "waits for somebody");
  const own = await ada.textContent("#code-shown");
  assert((await ada.inputValue("#link")).endsWith(`#/recv/${own}`), await ada.inputValue("#link"));
  assert((await ada.textContent("#code-command")).startsWith(`ortc recv ${own} --server http`), "the command");
  // A wrong code first: one guess, told at both ends.
  const [first, ...rest] = own.split("-");
  const eve = await lobby(test, `${server.url}/`);
  await eve.fill("#code", `${first} ${rest.reverse().join(" ")}`.toUpperCase());
  await eve.press("#code", "Enter");
  await happens(eve, () => /The code is wrong/.test(document.querySelector("#news").textContent), "that the code is wrong");
  await happens(ada, () => /wrong code/.test(document.querySelector("#messages").textContent), "that somebody guessed");
  assert(!(await eve.$(".offer")), "who has a wrong code is offered something");
  const receives = rust("recv", own, "--to", join(folder, "got"), "--yes");
  await says(ada, "sent, and checked");
  assert((await receives.ended) === 0, receives.seen.text);
  assert((await readFile(join(folder, "got/photo.jpg"))).equals(bytes), "another file");
  console.log("Rust to a page and back, a wrong code between");

  // Page to page.
  const grace = await lobby(test, await ada.inputValue("#link"));
  await grace.click(".offer button.main");
  await says(grace, "received and checked");
  assert(!texts.some((text) => text.includes(own)), "the server was told the code");
  // A code that nobody has, and one that is none.
  await eve.click("#news button");
  await eve.fill("#code", "zebra-zebra");
  await eve.press("#code", "Enter");
  await happens(eve, () => /three words/.test(document.querySelector("#news").textContent), "what a code is");
  await eve.fill("#code", "zebra-above-ladder");
  await eve.press("#code", "Enter");
  await happens(eve, () => /Nobody sends/.test(document.querySelector("#news").textContent), "that nobody sends");
  console.log("page to page");
});
