// E5: two tabs and `ortc room chat` count aloud, to all and to one, while the server that passes it on is killed twice: another one
// comes with a hub, then one without. Each number comes once and in order.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { assert, pause, run } from "./harness.mjs";
import { enterRoom, happens, lobby, serve } from "./rooms.mjs";

/** Notes what others count. */
const listen = () => {
  window.heard = {};
  window.counted = 0;
  session.addEventListener("action", ({ name, userid, body }) => name === "x.chat" && (window.heard[userid] ??= []).push(body.text));
};
/** Counts to all, and to one who is named. */
const begin = (next) => {
  window.counter = setInterval(() => {
    session.action("x.chat", { text: `all ${window.counted}` });
    session.action("x.chat", { text: `one ${window.counted++}` }, { to: next });
  }, 60);
};
const end = () => {
  clearInterval(window.counter);
  return window.counted;
};

/** The server of before is not the one that is meant. */
const byServer = () => session.rooms[0].links.some(({ passes, userid }) => passes && userid !== window.before) && session.peers.length === 2 && session.peers.every(({ byHub, talk }) => byHub && talk.open);
const byThemselves = () => session.peers.length === 2 && session.peers.every(({ byHub, talk }) => !byHub && talk.open);

/** What is missing of so many, comes twice or too early. */
function wrong(heard = [], kind, said) {
  const numbers = heard.filter((text) => text.startsWith(kind)).map((text) => Number(text.split(" ")[1]));
  const at = numbers.findIndex((number, at) => number !== at);
  return at >= 0 ? `${at} is ${numbers[at]}` : numbers.length === said ? "" : `${numbers.length} of ${said}`;
}

await run("rooms_hub_lost", 200, async (test) => {
  const server = await serve(test, "--hub");
  const ada = await lobby(test, `${server.url}/`);
  await ada.uncheck("#use-camera");
  await ada.uncheck("#use-mic");
  await enterRoom(ada, { name: "Ada", room: "lost" });
  await ada.evaluate(() => session.setPolicy({ topology: "hub" }));
  const grace = await lobby(test, `${server.url}/#lost?name=Grace`, ada);
  const chat = spawn(server.program, ["room", "chat", "lost", "--server", server.url, "--name", "Rust", "--json"], { stdio: ["pipe", "pipe", "inherit"] });
  test.cleanup.push(() => chat.kill("SIGKILL"));
  const rust = {};
  createInterface({ input: chat.stdout }).on("line", (line) => {
    const said = JSON.parse(line);
    if (said.event === "chat") (rust[said.from.userid] ??= []).push(said.text);
  });
  const pages = [ada, grace];
  const all = (look, what) => Promise.all(pages.map((page) => happens(page, look, what, 60_000)));
  await all(byServer, "all by the server");
  const [one, two] = await Promise.all(pages.map((page) => page.evaluate(() => session.userid)));
  const three = await ada.evaluate((two) => session.peers.map(({ userid }) => userid).find((userid) => userid !== two), two);
  for (const page of pages) await page.evaluate(listen);
  await ada.evaluate(begin, two);
  await grace.evaluate(begin, three);
  let said = 0;
  const counter = setInterval(() => chat.stdin.write(`all ${said++}\n`), 60);
  test.cleanup.push(() => clearInterval(counter));
  for (const [given, look, what] of [[["--hub"], byServer, "by another server"], [["--hub=false"], byThemselves, "without one"]]) {
    await pause(1_500);
    for (const page of pages) await page.evaluate(() => { window.before = session.rooms[0].links.find(({ passes }) => passes).userid; });
    await server.kill();
    const begin = Date.now();
    await pause(300);
    await server.again(...given);
    await all(look, what);
    console.log(`all ${what} after ${Date.now() - begin} ms`);
  }
  await pause(500);
  clearInterval(counter);
  const counted = [await ada.evaluate(end), await grace.evaluate(end), said];
  const failures = async () => {
    const [a, g] = await Promise.all(pages.map((page) => page.evaluate(() => window.heard)));
    const heard = [[a, "Ada"], [g, "Grace"], [rust, "Rust"]];
    const found = [];
    [one, two, three].forEach((userid, of) => heard.forEach(([texts, name], to) => {
      if (of === to) return;
      for (const kind of of < 2 && (of + 1) % 3 === to ? ["all", "one"] : ["all"]) {
        const what = wrong(texts[userid], kind, counted[of]);
        if (what) found.push(`${kind} of ${heard[of][1]} to ${name}: ${what}`);
      }
    }));
    return found;
  };
  for (const until = Date.now() + 10_000; (await failures()).length && Date.now() < until;) await pause(100);
  const found = await failures();
  assert(!found.length, found.join("; "));
  console.log(`${counted} each, none lost, none twice`);
  test.forgive(/WebSocket|ERR_/);
});
