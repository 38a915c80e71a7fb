// E7, E10: a room of two tabs of Chromium, one of Firefox and a Rust peer grows beyond its mesh, with ORTC_SOAK to twelve, and shrinks back: by the server, without a gap.
import { firefox } from "./bidi.mjs";
import { assert, pause, run } from "./harness.mjs";
import { crowd, enterRoom, happens, lobby, said, seesAll, serve, takeGaps, watchGaps } from "./rooms.mjs";

// Rust peers beside the first: two make it go by the server, eight a room of twelve, which wants a machine of its own.
const MORE = process.env.ORTC_SOAK ? 8 : 2;

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
  const foxed = firefox(test.cleanup);
  const page = await lobby(test, `${server.url}/`);
  await enterRoom(page, { name: "Ada", room: "grow" });
  await page.evaluate((meshUpTo) => session.setPolicy({ meshUpTo, maxParticipantsAllowed: 20 }), 5);
  const second = await lobby(test, `${server.url}/`);
  await enterRoom(second, { name: "Grace", room: "grow" });
  const fox = await foxed;
  const third = await fox.page(`${server.url}/?debug#grow?name=Heidi`, () => !document.querySelector("#call").hidden);
  const pages = [page, second, third];
  const until = async (look, what, ...given) => {
    for (const end = Date.now() + 60_000; !(await third.evaluate(look, ...given)); await pause(150)) {
      assert(Date.now() < end, `never: ${what}: ${JSON.stringify(await third.evaluate(() => ({ news: document.querySelector("#news").textContent, peers: session.peers.map(({ userid, state, byHub, streams }) => [userid, state, byHub, streams.length]) })))}`);
    }
  };
  // Small pictures: three browsers that encode them for each other take more than a machine may have.
  const small = () => Promise.all([...document.querySelectorAll("#tiles video")].map((video) => video.srcObject?.getVideoTracks()[0]?.applyConstraints({ width: 160, height: 120, frameRate: 10 }).catch(() => {})));
  for (const one of pages) await one.evaluate(small);
  const rust = await crowd(test, server, "grow", 1, "watch", "10");
  await seesAll(page, 4, 60_000);
  await seesAll(second, 4, 60_000);
  await until(() => document.querySelectorAll("#tiles .tile.picture").length === 4, "four pictures in Firefox");
  const ids = await Promise.all(pages.map((one) => one.evaluate(() => session.userid)));
  const [ada, grace] = ids;
  const everybody = await page.evaluate(() => [...session.rooms[0].users.keys()]);
  for (const one of pages) {
    await one.evaluate(listen);
    await one.evaluate(watchGaps);
  }
  await second.evaluate(count);

  const whose = (userid) => ["Ada", "Grace", "Heidi"][ids.indexOf(userid)] ?? "one who came later";
  /** For how long no picture of those who were there first was shown in a page, and nothing came to a Rust peer, since this was asked last. */
  const look = async (what, ...crowds) => {
    const all = [];
    for (const [at, one] of pages.entries()) {
      const others = everybody.filter((userid) => userid !== ids[at]);
      const { taken, late } = await one.evaluate(takeGaps, others);
      all.push({ longest: Math.max(...taken.map(([ms]) => ms)), words: `${["Ada", "Grace", "Heidi"][at]} ${taken.map(([ms, raw, frames]) => `${ms} (${raw}; ${frames})`).join(", ")}, late ${late}` });
    }
    for (const one of crowds) {
      const { sound, picture, ways, late } = await one.gaps();
      all.push({ longest: Math.max(sound.ms, picture.ms), words: `Rust sound ${sound.ms} of ${whose(sound.of)}, picture ${picture.ms} of ${whose(picture.of)} among ${ways}, late ${late}` });
    }
    console.log(`${what}: ${all.map(({ words }) => words).join(" | ")}`);
    return Math.max(...all.map(({ longest }) => longest));
  };
  await pause(500);
  await Promise.all([...pages.map((one) => one.evaluate(takeGaps, [])), rust.gaps()]);
  await pause(3_000);
  const mesh = await look("four in a mesh", rust);

  const begin = Date.now();
  const all = async (ready, others, what) => {
    for (const one of [page, second]) await one.waitForFunction(ready, others, { timeout: 60_000, polling: 100 }).catch(async () => {
      throw new Error(`never: ${what}: ${JSON.stringify(await one.evaluate(() => ({ hub: session.rooms[0].links.map(({ passes, userid, state, talk, heardBye }) => ({ passes, userid, state, open: talk.open, heardBye })), peers: session.peers.map(({ userid, state, byHub, streams, talk }) => ({ userid, state, byHub, open: talk.open, streams: streams.map(({ id, muted, stream }) => [id, muted, stream.getTracks().map(({ kind, muted }) => [kind, muted])]) })) })))}`);
    });
    await until(ready, what, others);
  };
  const many = await crowd(test, server, "grow", MORE, "10");
  await all(byServer, 3 + MORE, "all by the server");
  console.log(`all by the server ${Date.now() - begin} ms after the first of ${MORE} began to come`);
  await pause(500);
  const grown = await look("from mesh to hub", rust);
  await pause(3_000);
  const hub = await look("by the hub", rust);

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
  const pictureOfAda = (on) => happens(second, new Function(`return document.querySelector('#tiles .tile[data-userid="${ada}"]').matches(".picture") === ${on}`), `that Ada's picture is ${on}`);
  await page.evaluate(() => document.querySelector("#mute-camera").click());
  await pictureOfAda(false);
  await page.evaluate(() => document.querySelector("#mute-camera").click());
  await pictureOfAda(true);
  console.log("words, an answer and mute by the server");

  // They go: after ten seconds the others connect to each other again.
  await pause(500);
  await Promise.all([...pages.map((one) => one.evaluate(takeGaps, [])), rust.gaps()]);
  many.leave();
  const back = async () => {
    for (const one of [page, second]) await one.waitForFunction(byThemselves, 3, { timeout: 60_000, polling: 100 }).catch(async () => {
      throw new Error(`never back: ${JSON.stringify(await one.evaluate(() => ({ links: session.rooms[0].links.map(({ passes, userid, state, talk }) => ({ passes, userid, state, open: talk.open })), peers: session.peers.map(({ userid, state, byHub }) => [userid, state, byHub]) })))}`);
    });
    await until(byThemselves, "back in Firefox", 3);
  };
  await back();
  await pause(500);
  const shrunk = await look("and back", rust);
  const said2 = await second.evaluate(() => {
    clearInterval(window.counter);
    return window.counted;
  });
  for (const one of [page, third]) {
    for (const end = Date.now() + 20_000; !(await one.evaluate((last) => window.heard.at(-1)?.endsWith(` ${last}`), said2 - 1)); await pause(100)) assert(Date.now() < end, "the last word");
    const came = whole(await one.evaluate(() => window.heard), grace, said2);
    console.log(`${came} messages, none lost and none twice`);
    const told = (await one.evaluate(() => window.told)).filter((one) => one.includes(grace));
    assert(!told.length, `the application was told of the ways: ${told}`);
  }
  // A machine that is busy shows few pictures at any time, and is busy when many come.
  const most = 2_000 + 4 * Math.max(mesh, hub);
  assert(Math.max(grown, shrunk) < most, `nothing was shown or heard for ${grown} and ${shrunk} ms`);
  assert(!fox.complaints().length, fox.complaints().join("\n"));
});
