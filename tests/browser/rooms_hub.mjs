// E7, E10: a room of two tabs of Chromium, one of Firefox and `ortc call` grows beyond its mesh and shrinks back: by the server, without a gap.
import { spawn } from "node:child_process";
import { firefox } from "./bidi.mjs";
import { assert, pause, run } from "./harness.mjs";
import { enterRoom, happens, lobby, said, seesAll, serve, watchGaps } from "./rooms.mjs";

/** All by the server, over one connection, with so many pictures. */
const byServer = (others) => {
  const { peers, links } = session.rooms[0];
  return links.length === 1 && peers.length === others && peers.every(({ byHub, state }) => byHub && state === "connected");
};
const byThemselves = (others) => {
  const { peers, links } = session.rooms[0];
  return links.length === others && peers.length === others && peers.every(({ byHub, state }) => !byHub && state === "connected");
};

/** Notes what Grace counts. */
const listen = () => {
  window.heard = [];
  window.told = [];
  session.addEventListener("message", ({ data, userid }) => Number.isInteger(data?.count) && window.heard.push(`${userid} ${data.count}`));
  for (const name of ["streamEnded", "close", "open"]) session.addEventListener(name, ({ userid, reason }) => window.told.push(`${name} ${userid} ${reason ?? ""}`));
};
const count = () => {
  window.counted = 0;
  window.counter = setInterval(() => session.send({ count: window.counted++ }), 40);
};

/** What came of so many, each once and in its order. */
function whole(heard, userid, said) {
  const numbers = heard.filter((one) => one.startsWith(userid)).map((one) => Number(one.split(" ").at(-1)));
  const from = numbers[0];
  const wrong = numbers.findIndex((number, at) => number !== from + at);
  assert(wrong < 0, `after ${numbers[wrong - 1]} came ${numbers[wrong]}: ${numbers.slice(Math.max(0, wrong - 3), wrong + 4)}`);
  assert(from + numbers.length >= said, `${said} were said, ${numbers.length} from ${from} came`);
  return numbers.length;
}

await run("rooms_hub", 200, async (test) => {
  const server = await serve(test, "--hub");
  const page = await lobby(test, `${server.url}/`);
  await enterRoom(page, { name: "Ada", room: "grow" });
  await page.evaluate(() => session.setPolicy({ meshUpTo: 3 }));
  const second = await lobby(test, `${server.url}/`);
  await enterRoom(second, { name: "Grace", room: "grow" });
  const fox = await firefox(test.cleanup);
  const third = await fox.page(`${server.url}/?debug#grow?name=Heidi`, () => !document.querySelector("#call").hidden);
  await seesAll(page, 3, 60_000);
  await seesAll(second, 3, 60_000);
  const until = async (look, what, ...given) => {
    for (const end = Date.now() + 60_000; !(await third.evaluate(look, ...given)); await pause(150)) {
      assert(Date.now() < end, `never: ${what}: ${JSON.stringify(await third.evaluate(() => ({ news: document.querySelector("#news").textContent, peers: session.peers.map(({ userid, state, byHub, streams }) => [userid, state, byHub, streams.length]) })))}`);
    }
  };
  const [ada, grace] = [await page.evaluate(() => session.userid), await second.evaluate(() => session.userid)];
  // Small pictures: three browsers that encode them for each other take more than a machine may have.
  const small = () => Promise.all([...document.querySelectorAll("#tiles video")].map((video) => video.srcObject?.getVideoTracks()[0]?.applyConstraints({ width: 160, height: 120, frameRate: 8 }).catch(() => {})));
  for (const one of [page, second, third]) await one.evaluate(small);
  await page.evaluate(listen);
  await third.evaluate(listen);
  await second.evaluate(count);
  const gaps = await watchGaps(page, "Grace");
  await pause(3_000);
  const before = await gaps();
  console.log(`three in a mesh: no picture for ${Math.round(before.longest)} ms at most, ${before.frames} frames`);

  const begin = Date.now();
  const call = spawn(server.program, ["call", "grow", "--server", server.url, "--name", "Rust", "--json"], { stdio: ["ignore", "ignore", "inherit"] });
  test.cleanup.push(() => call.kill("SIGKILL"));
  const all = async (look, others, what) => {
    for (const one of [page, second]) await one.waitForFunction(look, others, { timeout: 60_000, polling: 100 }).catch(async () => {
      throw new Error(`never: ${what}: ${JSON.stringify(await one.evaluate(() => ({ hub: session.rooms[0].links.map(({ passes, userid, state, talk, heardBye }) => ({ passes, userid, state, open: talk.open, heardBye })), peers: session.peers.map(({ userid, state, byHub, streams, talk }) => ({ userid, state, byHub, open: talk.open, streams: streams.map(({ id, muted, stream }) => [id, muted, stream.getTracks().map(({ kind, muted }) => [kind, muted])]) })) })))}`);
    });
    await until(look, what, others);
  };
  await all(byServer, 3, "all by the server");
  console.log(`all by the server ${Date.now() - begin} ms after the fourth began to come`);
  await seesAll(page, 4, 60_000);
  await seesAll(second, 4, 60_000);
  await until(() => document.querySelectorAll("#tiles .tile.picture").length === 4, "four pictures in Firefox");
  const grown = await gaps();
  console.log(`no picture for ${Math.round(grown.longest)} ms at most, ${grown.frames} frames`);
  // A machine that is busy shows few frames at any time.
  assert(grown.longest < 10_000 + 3 * before.longest, `the picture stood still for ${grown.longest} ms`);

  // Words to all and to one, a question and its answer.
  await page.click('[data-open="chat"]');
  await page.fill("#say input", "by the server");
  await page.press("#say input", "Enter");
  await said(second, "by the server");
  await until(() => document.querySelector("#messages").textContent.includes("by the server"), "words in Firefox");
  const answered = await page.evaluate(async (to) => {
    session.handle("test.double", ({ body }) => body * 2);
    return session.action("test.double", 4, { to, answer: true }).catch(({ message }) => message);
  }, grace);
  assert(answered === null, `an answer of one that has none: ${answered}`);
  await second.evaluate(() => session.handle("test.double", ({ body }) => body * 2));
  assert((await page.evaluate((to) => session.action("test.double", 4, { to, answer: true }), grace)) === 8, "an answer");
  await second.evaluate((to) => session.send("for Ada alone", { to }), ada);
  await pause(500);
  await page.evaluate(() => document.querySelector("#mute-camera").click());
  await happens(second, () => document.querySelectorAll("#tiles .tile.picture").length === 3, "a muted picture");
  await page.evaluate(() => document.querySelector("#mute-camera").click());
  await seesAll(second, 4);
  console.log("words, an answer and mute by the server");

  // Two go: after ten seconds the others connect to each other again.
  call.kill("SIGTERM");
  await third.evaluate(() => document.querySelector("#hang-up").click());
  const counted = await third.evaluate(() => window.heard.length);
  assert(counted > 0, "Firefox heard nothing");
  for (const one of [page, second]) await one.waitForFunction(byThemselves, 1, { timeout: 60_000, polling: 100 }).catch(async () => {
    throw new Error(`never back: ${JSON.stringify(await one.evaluate(() => ({ links: session.rooms[0].links.map(({ passes, userid, state, talk }) => ({ passes, userid, state, open: talk.open })), peers: session.peers.map(({ userid, state, byHub }) => [userid, state, byHub]) })))}`);
  });
  await seesAll(page, 2);
  await seesAll(second, 2);
  const said2 = await second.evaluate(() => {
    clearInterval(window.counter);
    return window.counted;
  });
  await page.waitForFunction((last) => window.heard.at(-1)?.endsWith(` ${last}`), said2 - 1, { timeout: 20_000 });
  const came = whole(await page.evaluate(() => window.heard), grace, said2);
  whole(await third.evaluate(() => window.heard), grace, 0);
  const back = await gaps();
  console.log(`back: ${came} messages, none lost and none twice; no picture for ${Math.round(back.longest)} ms at most`);
  assert(back.longest < 10_000 + 3 * before.longest, `the picture stood still for ${back.longest} ms`);
  const told = (await page.evaluate(() => window.told)).filter((one) => one.includes(grace));
  assert(!told.length, `the application was told of the ways: ${told}`);
  assert(!fox.complaints().length, fox.complaints().join("\n"));
});
