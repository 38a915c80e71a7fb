// What the page of rooms says when something fails: each way of getUserMedia with a way out, no server, a wrong address; and its switches in the address.
import { assert, run } from "./harness.mjs";
import { enterRoom, happens, lobby, serve } from "./rooms.mjs";

const ERRORS = ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "SecurityError", "AbortError", "TypeError", "UnheardOfError"];

await run("rooms_words", 120, async (test) => {
  const base = `${test.url}/rooms/index.html`;
  // D55: eight ways, eight sentences, and the room is entered all the same.
  const ada = await lobby(test, base);
  const sentences = new Set();
  for (const error of ERRORS) {
    await ada.evaluate((name) => { navigator.mediaDevices.getUserMedia = () => Promise.reject(Object.assign(new Error(""), { name })); }, error);
    if (sentences.size) await ada.click("#try-again");
    else for (const box of ["#use-mic", "#use-camera"]) await ada.uncheck(box).then(() => ada.check(box));
    await ada.waitForFunction((seen) => !document.querySelector("#trouble").hidden && !seen.includes(document.querySelector("#trouble b").textContent), [...sentences]);
    sentences.add(await ada.textContent("#trouble b"));
  }
  assert(sentences.size === ERRORS.length, [...sentences].join("\n"));
  // C60, C90: in without camera and microphone.
  await ada.click("#go-without");
  await enterRoom(ada, { name: "Ada", room: "words" });
  const grace = await lobby(test, `${base}#words?name=Grace`, ada);
  await happens(grace, () => document.querySelectorAll("#tiles .tile").length === 2 && document.querySelectorAll("#tiles .tile.picture").length === 1, "one picture and one face");
  await happens(ada, () => document.querySelectorAll("#tiles .tile.picture").length === 1, "the picture of the other");
  assert(await ada.evaluate(() => document.querySelector("#mute-camera").dataset.state === "absent"), "the camera's button");
  // The presenter's picker is shut: nothing is said of it. It fails: something is.
  await ada.evaluate(() => { navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException("", "NotAllowedError")); });
  await ada.click("#share-screen");
  assert(await ada.evaluate(() => document.querySelector("#news").hidden), "who changed their mind is told");
  await ada.evaluate(() => { navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException("it is black", "NotReadableError")); });
  await ada.click("#share-screen");
  await happens(ada, () => /cannot be shared/.test(document.querySelector("#news").textContent), "why the screen is not shared");
  await ada.click("#news button");
  console.log("devices and screens that fail");

  // C72, D38: what the page logs, and that it may be silent.
  const logs = [];
  const quiet = await test.beside(ada, `${base}?log=off#`);
  quiet.on("console", (message) => /404/.test(message.text()) || logs.push(message.text())); // of config.json, by the browser
  await quiet.reload();
  await quiet.waitForSelector("html[data-ready]");
  assert(!logs.length, `it logs: ${logs}`);
  assert(await ada.evaluate(() => typeof session === "object"), "?debug shows no session");
  await quiet.close();

  // D13: a name of its own for each new room, or that of the address. C89: a room for voices.
  const plain = await lobby(test, `${base}#`, ada);
  const fresh = await plain.inputValue("#room");
  assert(/^[a-z]+-[a-z0-9]{6}$/.test(fresh), fresh);
  await plain.click("#rules summary");
  await plain.selectOption("#media", "audio");
  await enterRoom(plain, { name: "Plain", room: fresh });
  await happens(plain, () => session.streams.own.length === 1, "an own stream");
  assert((await plain.evaluate(() => session.streams.own[0].stream.getTracks().map(({ kind }) => kind).join())) === "audio", "a room for voices carries more");
  // D10, D54: name, address and colour of who comes.
  const known = await lobby(test, `${base}#${fresh}?name=Emmy&email=e%40example.org&color=%23c0ffee`, ada);
  await happens(known, () => document.querySelectorAll("#tiles .tile").length === 2, "two in the room");
  const extra = await plain.evaluate(() => session.room().others[0].extra);
  assert(JSON.stringify(extra) === JSON.stringify({ name: "Emmy", email: "e@example.org", color: "#c0ffee" }), JSON.stringify(extra));
  await Promise.all([plain.close(), known.close()]);

  // C64, C97: who opens a room may be seen in the list.
  const shown = await lobby(test, `${base}#`, ada);
  await shown.click("#rules summary");
  await shown.check("#show-picture");
  await enterRoom(shown, { name: "Shown", room: "shown" });
  const looks = await lobby(test, `${base}#`, ada);
  await looks.waitForSelector('#rooms li[data-room="shown"] img[alt="a picture of Shown"]');
  await Promise.all([shown.close(), looks.close()]);

  // A server that is gone: the next steps, one of which needs no server.
  const server = await serve(test);
  const late = await lobby(test, `${server.url}/`);
  await server.kill();
  await happens(late, () => !document.querySelector("#away").hidden, "that the server is away");
  await server.again();
  await happens(late, () => document.querySelector("#away").hidden, "that it is back");
  await enterRoom(late, { name: "Late", room: "a/b c" });
  assert((await late.evaluate(() => location.hash)) === "#a/b%20c", await late.evaluate(() => location.hash));
  assert(/^http:.*#a\/b%20c$/.test(await late.inputValue("#link")), await late.inputValue("#link"));
  // A message that is too long for the server and a role that does not allow it are told as such.
  await late.evaluate(() => session.eject("nobody"));
  await happens(late, () => /That was not done/.test(document.querySelector("#news").textContent), "that nobody can be put out");
  await late.click("#news button");
  // The same user by another connection: this page steps back.
  const resume = await late.evaluate(() => session.resume);
  await late.evaluate(async (resume) => {
    const { Session } = await import("/rooms.js");
    window.second = await Session.connect("/ws", { resume });
  }, resume);
  await happens(late, () => /in another window/.test(document.querySelector("#news").textContent), "that the user is elsewhere");
  // A token that is none.
  const stranger = await test.page(`${server.url}/?token=abc`);
  await stranger.waitForSelector("html[data-ready]");
  await happens(stranger, () => /invitation is not valid|does not let you in/.test(document.querySelector("#news").textContent), "that the invitation is not valid");
  test.forgive(/WebSocket|ERR_CONNECTION_REFUSED|404/);
});
