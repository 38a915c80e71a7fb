// C10, D35: the page of rooms by `ortc serve`: who leaves is gone at once, a page that is loaded anew comes back as
// itself, and a server that is killed and started again disturbs no picture.
import { assert, assertNoSdp, capture, run } from "./harness.mjs";
import { enterRoom, happens, lobby, said, seesAll, serve, takeGaps, watchGaps } from "./rooms.mjs";

await run("rooms_server", 200, async (test) => {
  const server = await serve(test, "--roles-free");
  const base = `${server.url}/`;
  const ada = await lobby(test, base);
  const texts = capture(ada);
  await ada.reload();
  await ada.waitForSelector("html[data-ready]");
  await enterRoom(ada, { name: "Ada", room: "tea" });
  const grace = await lobby(test, `${base}#tea?name=Grace`);
  await Promise.all([seesAll(ada, 2), seesAll(grace, 2)]);

  // A page that is loaded anew has the same user id, and the room is in its address.
  const before = await grace.evaluate(() => session.userid);
  await grace.evaluate(() => history.replaceState(null, "", "#tea?name=Grace"));
  await grace.reload();
  await Promise.all([seesAll(ada, 2), seesAll(grace, 2)]);
  assert((await grace.evaluate(() => session.userid)) === before, "another user id after a reload");

  // The server is killed. Pictures go on, words between the two as well; it comes back, and all is as before.
  const adas = await ada.evaluate(() => session.userid);
  await grace.evaluate(watchGaps);
  const connection = () => grace.evaluate(() => (window.before ??= session.peers[0].connection) === session.peers[0].connection && session.peers[0].state);
  await connection();
  await server.kill();
  for (const page of [ada, grace]) await happens(page, () => !document.querySelector("#away").hidden && /away/.test(document.querySelector("#away").textContent), "that the server is away");
  await ada.click('[data-open="chat"]');
  await ada.fill("#say input", "without a server");
  await ada.press("#say input", "Enter");
  await said(grace, "without a server");
  await server.again();
  for (const page of [ada, grace]) await happens(page, () => document.querySelector("#away").hidden && session.online, "that the server is back");
  assert((await connection()) === "connected", "the connection was made anew");
  const { taken: [[longest, , frames]] } = await grace.evaluate(takeGaps, [adas]);
  assert(frames > 5 && longest < 2000, `${frames} frames, none for ${longest} ms`);
  console.log(`server killed and back: ${frames} frames, none for ${longest} ms at most`);
  test.forgive(/WebSocket|ERR_CONNECTION_REFUSED/);

  // Who comes now sees both; it may look on only.
  const emmy = await lobby(test, base);
  await emmy.click("#rules summary");
  await emmy.selectOption("#role", "inspector");
  await emmy.fill("#name", "Emmy");
  await emmy.click('#rooms button[aria-label="join tea"]');
  await emmy.waitForSelector("#call:not([hidden])");
  await seesAll(emmy, 2);
  await ada.click('[data-tab="people"]');
  await happens(ada, () => /Emmy\s*looks on/.test(document.querySelector("#people").textContent.replace(/E(?=Emmy)/, "")), "that somebody looks on");
  assert(await emmy.evaluate(() => document.querySelector("#share-screen").hidden), "who looks on may share a screen");
  assert(!(await emmy.evaluate(() => session.streams.own.length)), "who looks on sends");

  // A tab that is closed is gone at once, and the room goes on.
  await ada.close();
  await happens(grace, () => /Ada has left/.test(document.querySelector("#messages").textContent), "that Ada has left", 8_000);
  await happens(grace, () => document.querySelector("#tiles .tile.own .crown"), "that Grace owns the room");
  await grace.click("#hang-up");
  await grace.waitForSelector("#lobby:not([hidden])");

  // The owner closes a room; one is full; one is gone.
  await grace.click("#rules summary");
  await grace.fill("#places", "2");
  await enterRoom(grace, { room: "small" });
  // Who only looks on cannot own a room: it has ended.
  await happens(emmy, () => !document.querySelector("#lobby").hidden && /The room has ended/.test(document.querySelector("#news").textContent), "that the room has ended");
  await emmy.selectOption("#role", "participant");
  await enterRoom(emmy, { room: "small" });
  const late = await lobby(test, base);
  await late.waitForSelector('#rooms button[aria-label="small is full"]');
  await enterRoom(late, { name: "Late", room: "small" }, false);
  await happens(late, () => /places are taken/.test(document.querySelector("#news").textContent), "that the room is full");
  await grace.click('[data-open="settings"]');
  await grace.click("#close-room");
  await grace.click('#news button:text-is("End it")');
  await happens(emmy, () => /The room was closed/.test(document.querySelector("#news").textContent), "that the room was closed");
  assertNoSdp(texts);
});
