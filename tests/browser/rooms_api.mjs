// The session API between tabs of one browser, without a server (C83), from one module in any page (D9): who comes late, what is said, who goes.
import { assert, run } from "./harness.mjs";

/** Before the others: a session whose events are kept. */
async function enter({ name, room, options = {}, way = "openOrJoin" }) {
  const { Session, BroadcastHub } = await import("/rooms.js");
  const { EVENTS } = await import("/rooms/session_events.js");
  const hub = new BroadcastHub("test", { userid: name, extra: { name } });
  window.said = [];
  hub.send = (message) => {
    window.said.push(message);
    return BroadcastHub.prototype.send.call(hub, message);
  };
  const session = await Session.with(hub, { extra: { name } });
  Object.assign(window, { hub, session, events: [], videos: new Map() });
  for (const type of EVENTS) {
    session.addEventListener(type, (event) => {
      const { userid, reason, data, kinds, path, latency, body, status, streamid, origin, error } = event;
      if (type !== "signal") window.events.push({ type, userid, reason, data: data instanceof ArrayBuffer ? data.byteLength : data, kinds, path: path?.kind, latency, body, status, streamid, origin, error: error?.message });
    });
  }
  window.streams = [];
  session.onstream = ({ stream, streamid, origin, userid, extra, session: kind, room }) => {
    window.streams.push({ streamid, origin, userid, extra, session: kind, room, media: stream.stream instanceof MediaStream });
    if (origin !== "remote") return;
    const video = Object.assign(document.createElement("video"), { muted: true, autoplay: true, playsInline: true, srcObject: stream.stream });
    document.body.append(video);
    window.videos.set(stream.id, video);
    video.title = userid;
  };
  session.onstreamEnded = ({ streamid }) => {
    window.videos.get(streamid)?.remove();
    window.videos.delete(streamid);
  };
  window.own = await media();
  session.addStream(window.own);
  await session[way](room, options);
}

const seen = (page, count) => page.evaluate(async (count) => {
  const shown = () => [...window.videos.values()].filter((video) => video.videoWidth > 0);
  await until(() => shown().length === count && window.videos.size === count, `${count} pictures, not ${window.videos.size}: ${JSON.stringify(window.events)}`);
  for (const video of shown()) await moves(video);
}, count);
const event = (page, wanted) => page.evaluate((wanted) => until(
  () => window.events.find((one) => Object.entries(wanted).every(([name, value]) => JSON.stringify(one[name]) === JSON.stringify(value))),
  `${JSON.stringify(wanted)} in ${JSON.stringify(window.events)}`,
), wanted);

await run("rooms_api", 150, async (test) => {
  const a = await test.page();
  await a.evaluate(enter, { name: "a", room: "tea", way: "open", options: { password: "earl grey" } });
  const b = await test.beside(a);
  await b.evaluate(enter, { name: "b", room: "tea", way: "join", options: { password: "earl grey" } });
  await Promise.all([seen(a, 1), seen(b, 1)]);
  const c = await test.beside(a);
  const refused = await c.evaluate(enter, { name: "c", room: "tea", way: "join", options: { password: "mint" } }).then(() => null, (error) => error.message);
  assert(/wants a password/.test(refused), refused);
  await c.evaluate(() => session.join("tea", { password: "earl grey" }));
  await Promise.all([a, b, c].map((page) => seen(page, 2)));
  console.log("three, each sees two");

  // C17: streams of this side and of others, with what is told of them.
  const told = await b.evaluate(() => window.streams);
  assert(told.some(({ origin, userid, streamid }) => origin === "local" && userid === "b" && streamid), JSON.stringify(told));
  const [remote] = told.filter(({ origin, userid }) => origin === "remote" && userid === "a");
  assert(remote.extra.name === "a" && remote.session.audio && remote.session.video && remote.room === "tea" && remote.media, JSON.stringify(remote));

  // C45: open, and words of each kind and size, to all and to one.
  await a.evaluate(() => {
    session.send("hello");
    session.send({ a: [1, 2] });
    session.send(new Uint8Array(100_000));
    session.send("x".repeat(40_000), { to: "c" });
  });
  for (const page of [b, c]) {
    await event(page, { type: "open", userid: "a" });
    await event(page, { type: "message", userid: "a", data: "hello" });
    await event(page, { type: "message", userid: "a", data: { a: [1, 2] } });
    await event(page, { type: "message", userid: "a", data: 100_000 });
  }
  await event(c, { type: "message", userid: "a", data: "x".repeat(40_000) });
  assert(!(await b.evaluate(() => window.events.some(({ data }) => data?.length > 1000))), "what was said to one came to another");
  await b.evaluate(() => session.handle("add", ({ body }) => body[0] + body[1]));
  assert((await a.evaluate(() => session.action("add", [2, 3], { to: "b", answer: true }))) === 5, "no answer");

  // Muted for all; dropped by one.
  await a.evaluate(() => session.streams.get(own.id).mute({ video: true }));
  await event(b, { type: "mute", userid: "a", kinds: ["video"] });
  await b.evaluate(() => until(() => isBlack([...videos.values()].find(({ title }) => title === "a")), "black"));
  await a.evaluate(() => session.streams.get(own.id).unmute());
  await event(b, { type: "unmute", userid: "a", kinds: ["audio", "video"] });
  await seen(b, 2);
  await c.evaluate(() => session.streams.all.find(({ userid }) => userid === "a").mute({ video: true }));
  await a.evaluate(() => until(() => session.peer("c").connection.tracks({ kind: "video" })[0].started === false, "the sender pauses"));
  // C6, C31: dropped here, too, though the sender did not obey.
  await a.evaluate(() => session.peer("c").connection.tracks({ kind: "video" })[0].start());
  await c.evaluate(() => until(() => isBlack([...videos.values()].find(({ title }) => title === "a")), "black, though it is sent"));
  await seen(b, 2);
  await c.evaluate(() => session.streams.mute({ type: "remote" }));
  await c.evaluate(() => session.streams.unmute({ type: "remote" }));
  await seen(c, 2);
  // Who receives what it was not told of asks, and is told once more; not more often than once a second.
  const retold = await b.evaluate(async () => {
    const { Peer } = await import("/rooms/peer.js");
    const { hear } = Peer.prototype;
    const heard = [];
    Peer.prototype.hear = function spy(body) {
      if (this.userid === "a") heard.push(body);
      return hear.call(this, body);
    };
    const { instance } = window.said.findLast(({ say }) => say?.to === "a" && say.body.instance).say.body;
    for (let times = 0; times < 3; times++) hub.send({ say: { room: "tea", to: "a", body: { instance, tell: true } } });
    await until(() => heard.filter(({ track }) => track).length >= 2 && heard.some(({ streams }) => streams), "told again");
    await new Promise((resolve) => setTimeout(resolve, 500));
    Peer.prototype.hear = hear;
    return heard.map((body) => Object.keys(body).join());
  });
  assert(retold.filter((names) => names.includes("track")).length === 2, retold.join(" "));
  await seen(b, 2);
  console.log("words, actions, mute, told again");

  // C18: a second stream comes and goes.
  await b.evaluate(() => {
    window.second = drawing(320, 180);
    session.addStream(second, { session: { screen: true } });
  });
  await seen(a, 3);
  assert(await a.evaluate(() => session.streams.all.some(({ session }) => session.screen)), "nobody knows it for a screen");
  await b.evaluate(() => session.removeStream(second.id));
  await event(a, { type: "streamEnded", userid: "b", reason: "removed" });
  await Promise.all([seen(a, 2), seen(c, 2)]);
  // Path, eject and come back, the owner goes (and with it the tab that keeps the rooms).
  await event(a, { type: "path", userid: "b", path: "direct" });
  await a.evaluate(() => session.eject("c"));
  await event(c, { type: "closed", reason: "ejected" });
  await seen(a, 1);
  await c.evaluate(() => session.rejoin("tea"));
  await Promise.all([seen(a, 2), seen(b, 2)]);
  await c.evaluate(() => session.eject("b")).catch(() => {});
  await event(c, { type: "error", error: "only the owner of a room and its admins may do this" });
  await a.close();
  await event(b, { type: "left", userid: "a", reason: "lost" });
  await event(c, { type: "owner", userid: "b" });
  await Promise.all([seen(b, 1), seen(c, 1)]);
  const d = await test.beside(b);
  await d.evaluate(enter, { name: "d", room: "tea", way: "join", options: { password: "earl grey" } });
  await Promise.all([seen(b, 2), seen(c, 2), seen(d, 2)]);
  await d.evaluate(() => session.leave());
  await Promise.all([seen(b, 1), seen(c, 1), seen(d, 0)]);
  console.log("eject, owner gone, a late one");

  // A call.
  await b.evaluate(() => { session.oncallRequest = ({ call }) => setTimeout(() => call.accept(), 200); });
  const status = await d.evaluate(async () => {
    const call = session.call("b");
    return call.settled;
  });
  assert(status === "accepted", status);
});
