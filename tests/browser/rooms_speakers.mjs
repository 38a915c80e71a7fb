// E5: twelve Rust peers and a page in a room of a hub: nine tiles, the others' pictures are not sent to it, and who begins to speak gets one.
import { assert, pause, run } from "./harness.mjs";
import { crowd, enterRoom, happens, lobby, serve } from "./rooms.mjs";

const MOST = 9;
const PEERS = 12;

/** Whose pictures the page is sent, by the hub's own count of packets and by what the page asked for. */
async function sent(page, ms) {
  const count = async () => Object.fromEntries(await page.evaluate(async () => {
    const { peers } = session.rooms[0];
    const { inboundRtp } = await peers[0].connection.stats();
    return peers.map((peer) => {
      const sources = peer.streams.flatMap(({ stream }) => peer.connection.sources(stream).map(String));
      const rows = inboundRtp.filter(({ kind, ssrc }) => kind === "video" && sources.includes(String(ssrc)));
      return [peer.user.extra.name, rows.reduce((sum, row) => sum + row.packetsReceived, 0)];
    });
  }));
  const before = await count();
  await pause(ms);
  const after = await count();
  return Object.keys(after).filter((name) => after[name] > (before[name] ?? 0));
}

const onWall = () => [...document.querySelectorAll("#tiles .tile:not(.own) .name")].map((one) => one.textContent);

await run("rooms_speakers", 120, async (test) => {
  const server = await serve(test, "--hub");
  const page = await lobby(test, `${server.url}/`);
  await enterRoom(page, { name: "Ada", room: "hall" });
  await page.evaluate(() => session.setPolicy({ topology: "hub" }));
  const { says: does } = await crowd(test, server, "hall", PEERS);
  await happens(page, () => session.rooms[0].peers.filter(({ byHub, streams }) => byHub && streams.length).length === 12, "twelve by the hub", 60_000);
  await happens(page, () => document.querySelectorAll("#tiles .tile").length === 9 && /^4 more/.test(document.querySelector("#shelf span")?.textContent), "nine tiles");
  await happens(page, () => [...document.querySelectorAll("#tiles .tile")].every((one) => one.matches(".picture")), "nine pictures");

  // What is not shown does not come, after what was on its way.
  const shown = await page.evaluate(onWall);
  assert(shown.length === MOST - 1, `${shown}`);
  let came;
  for (const end = Date.now() + 20_000; ; ) {
    came = await sent(page, 1_500);
    if (came.length === shown.length && came.every((name) => shown.includes(name))) break;
    assert(Date.now() < end, `on the wall are ${shown}, and pictures of ${came} come`);
  }
  console.log(`${PEERS} others, pictures of ${came.length} come`);

  // One who is not there speaks: its tile, its mark, its picture; one who has said nothing makes room.
  const all = Array.from({ length: PEERS }, (_, at) => `Rust ${at}`);
  const hidden = all.filter((name) => !shown.includes(name));
  const speaks = (name) => page.evaluate(async (name) => {
    const begin = performance.now();
    const after = { tile: null, mark: null, picture: null };
    let first = null;
    while (Object.values(after).includes(null) && performance.now() - begin < 15_000) {
      const tile = [...document.querySelectorAll("#tiles .tile")].find((one) => one.querySelector(".name").textContent === name);
      const video = tile?.querySelector("video");
      const frames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
      first ??= video ? frames : null;
      const now = performance.now() - begin;
      if (tile) after.tile ??= now;
      if (tile?.matches(".speaks")) after.mark ??= now;
      if (tile?.matches(".picture") && frames > first) after.picture ??= now;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return after;
  }, name);
  for (const name of hidden) {
    const number = name.split(" ")[1];
    const begun = speaks(name);
    await pause(50);
    does(`speak ${number}`);
    const { tile, mark, picture } = await begun;
    console.log(`${name} speaks: a tile after ${Math.round(tile)} ms, marked after ${Math.round(mark)}, a picture that moves after ${Math.round(picture)}`);
    assert(tile !== null && mark !== null && picture !== null, `${name} is not shown`);
    // A busy machine is late; a page that waits for its next look each second would be so as well.
    assert(tile < 5_000, `${name} is shown after ${tile} ms`);
    does(`hush ${number}`);
  }
  const now = await page.evaluate(onWall);
  assert(now.length === MOST - 1 && hidden.every((name) => now.includes(name)), `who spoke last is not on the wall: ${now}`);
  // The own microphone, a device that beeps, may do so for ever.
  await happens(page, () => !document.querySelector("#tiles .tile:not(.own).speaks"), "that none of them speaks");
  for (const end = Date.now() + 20_000; ; ) {
    came = await sent(page, 1_000);
    if (came.length === now.length && came.every((name) => now.includes(name))) break;
    assert(Date.now() < end, `on the wall are ${now}, and pictures of ${came} come`);
  }
  console.log(`pictures of ${came.length} come still`);

  // Who enters now gets nothing that it does not show, not for a moment either.
  const late = await lobby(test, `${server.url}/`);
  await late.evaluate(() => {
    const tiles = document.querySelector("#tiles");
    globalThis.shown = new Set();
    const look = () => { for (const { textContent } of tiles.querySelectorAll(".tile:not(.own) .name")) shown.add(textContent); };
    new MutationObserver(look).observe(tiles, { childList: true, subtree: true, characterData: true });
  });
  await enterRoom(late, { name: "Late", room: "hall" });
  await happens(late, () => document.querySelectorAll("#tiles .tile:not(.own).picture").length === 8, "eight pictures");
  await happens(late, () => session.rooms[0].peers.filter(({ byHub, streams }) => byHub && streams.length).length === 13, "thirteen by the hub");
  const [ever, wall] = await late.evaluate(async () => {
    const { peers } = session.rooms[0];
    const { inboundRtp } = await peers[0].connection.stats();
    const ever = peers.filter((peer) => peer.streams.some(({ stream }) => peer.connection.sources(stream).some((ssrc) => inboundRtp.some((row) => row.kind === "video" && String(row.ssrc) === String(ssrc) && row.packetsReceived > 0))));
    return [ever.map(({ user }) => user.extra.name), [...shown]];
  });
  console.log(`of 13 others ${wall.length} were shown at any time, and ${ever.length} sent it a picture`);
  // Those who spoke last come to the wall when the hub has told of them.
  assert(ever.filter((name) => !wall.includes(name)).length <= 1, `on the wall were ${wall}, and pictures of ${ever} came`);
});
