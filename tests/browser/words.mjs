// The demo page: what goes wrong between the two sides is said in words, with the next step.
import { assert, pause, pictures, run } from "./harness.mjs";

const NAME = "abcdefgh";

/** Until the page says this, and offers this step. */
const says = (page, title, step) => page.waitForFunction(([title, step]) => {
  const box = document.querySelector("#news");
  const steps = [...box.querySelectorAll("button")].map(({ textContent }) => textContent);
  return !box.hidden && box.textContent.includes(title) && (!step || steps.includes(step));
}, [title, step], { timeout: 45_000 });
const step = (page, label) => page.click(`#news button:text-is("${label}")`);
const quiet = (page) => page.waitForSelector("#news", { state: "hidden", timeout: 20_000 });
const inLobby = (page) => page.waitForSelector("#lobby:not([hidden])");
const invited = (page) => page.waitForSelector("#invite:not([hidden])");

/** In a room, somebody who is no page. */
async function stranger(url) {
  const socket = new WebSocket(url);
  const heard = [];
  socket.onmessage = ({ data }) => heard.push(JSON.parse(data));
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: () => reject(new Error("no room")) }));
  return { heard, say: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)), close: () => socket.close() };
}

async function until(look, what) {
  for (const end = Date.now() + 45_000; ; await pause(50)) {
    if (look()) return;
    assert(Date.now() < end, `never: ${what}`);
  }
}

await run("words", 220, async (test) => {
  const server = await test.rust();
  const link = `${server.url}/?link=${NAME}`;
  const ready = (page) => page.waitForSelector("html[data-ready]");
  const done = (page) => page.context().close();

  // No candidate that can be used, and one where nobody is: this takes a while, so it goes on beside the rest.
  const unreachable = Promise.all([["unreacha", 9], ["unreachb", 40_009]].map(async ([name, port]) => {
    const page = await test.page(`${server.url}/?link=${name}`);
    await says(page, "Nobody is here yet");
    const other = await stranger(`${server.ws}/room/${name}`);
    const fingerprint = { "sha-256": Array(32).fill("AB").join(":") };
    const side = (n) => ({ iceInfo: { ice: { usernameFrag: `abc${n}`, password: "abcdefghijklmnopqrstuvwx" }, dtls: { fingerprint } } });
    other.say(side(1));
    other.say({ candidate: { foundation: "1", component: 1, transport: "udp", priority: 1, connectionAddress: "127.0.0.1", connectionPort: port, type: "host" } });
    await says(page, "No way to the other side", "Hang up");
    other.heard.length = 0;
    await step(page, "Try again");
    await until(() => other.heard.some(({ iceInfo }) => iceInfo), "new credentials");
    await says(page, "No way to the other side", "Try again");
    await done(page);
    other.close();
  }).concat((async () => {
    // The same of the API: what waits for a connection hears that there is none.
    const page = await test.page();
    const heard = await page.evaluate(async () => {
      const connection = new ortc.RTCConnection();
      await connection.ready;
      connection.setRemote({ ice: { usernameFrag: "abcd", password: "abcdefghijklmnopqrstuvwx" }, dtls: { fingerprint: { "sha-256": Array(32).fill("AB").join(":") } } });
      connection.connect();
      connection.setRemoteCandidate({ foundation: "1", component: 1, transport: "udp", priority: 1, connectionAddress: "127.0.0.1", connectionPort: 40_010, type: "host" });
      const fails = () => connection.connected().then(() => "connected", ({ name, message }) => `${name}: ${message}`);
      const heard = [await fails(), await fails(), connection.state];
      connection.restart();
      return [...heard, connection.state, await fails()];
    });
    const error = "OperationError: nobody was reached: IceFailed";
    assert(heard.join() === [error, error, "halted", "searching", error].join(), heard.join());
    await done(page);
  })()));
  unreachable.catch(() => {});

  // A link of which a part is missing, or that never was one.
  for (const wrong of ["?link=abc", "?link=", `?tab=${NAME}-`, "?link=%3Cb%3Eoh%21"]) {
    const page = await test.page(`${server.url}/${wrong}`);
    await says(page, "This link is not whole", "Start a new call");
    await inLobby(page);
    if (wrong === "?link=abc") {
      await step(page, "Start a new call");
      await invited(page);
      await quiet(page);
    }
    await done(page);
  }

  // An old link: nobody is there. One who comes later is met.
  const first = await test.page(link);
  await says(first, "Nobody is here yet", "Start a new call");
  await says(first, "The other side may be late", "Hang up");
  const second = await test.beside(first, link);
  await Promise.all([first, second].map((page) => pictures(page, 2)));
  await quiet(first);
  // A third one is too many, and comes in when there is room.
  const third = await test.beside(first, link);
  await says(third, "Two people are in this call already", "Try again");
  await inLobby(third);
  await second.close();
  await says(first, "The other side has left", "Hang up");
  await step(third, "Try again");
  await Promise.all([first, third].map((page) => pictures(page, 2)));
  await quiet(first);
  // Who has made the call has the link again when the other side leaves, and can hang up.
  await third.click("#hang-up");
  await says(first, "The other side has left", "Hang up");
  await step(first, "Hang up");
  await inLobby(first);
  await quiet(first);
  await first.click("#call-link");
  await invited(first);
  await third.goto(await first.inputValue("#invite input"));
  await pictures(first, 2);
  assert(await first.isHidden("#invite"), "the link is still shown");
  await third.click("#hang-up");
  await says(first, "The other side has left", "Hang up");
  await invited(first);
  await done(first);

  // Another tab: none there, one too many, and one that the browser does not open.
  const alone = await test.page(`${test.url}/?tab=${NAME}`);
  await says(alone, "another tab of the same browser", "Start a new call");
  const other = await test.beside(alone, `${test.url}/?tab=${NAME}`);
  await Promise.all([alone, other].map((page) => pictures(page, 2)));
  const more = await test.beside(alone, `${test.url}/?tab=${NAME}`);
  await says(more, "Two people are in this call already", "Start a new call");
  await pictures(alone, 2);
  await more.evaluate(() => { window.open = () => null; });
  await more.click("#call-tab");
  await says(more, "kept the second tab shut", "All right");
  await other.close();
  await says(alone, "The other side has left", "Hang up");
  await done(alone);

  // Without the program that carries calls.
  const bare = await test.page(`${test.url}/`);
  await ready(bare);
  await bare.click("#call-rust");
  await says(bare, "No Rust peer here", "Try again");
  await bare.click("#call-link");
  await says(bare, "The room cannot be reached", "Try again");
  await inLobby(bare);
  await done(bare);

  // What is no message is refused, and nothing else happens.
  const page = await test.page(`${server.url}/?link=rudewrds`);
  await says(page, "Nobody is here yet");
  const rude = await stranger(`${server.ws}/room/rudewrds`);
  await until(() => rude.heard.some(({ iceInfo }) => iceInfo), "the page's side");
  const nonsense = ["no JSON", "5", "null", "[1]", "{}", { candidate: 5 }, { track: { kind: "smell" } }, { track: { codecs: 3 } }, { iceInfo: { ice: {} } }, { gone: {} }];
  for (const one of nonsense) rude.say(one);
  await page.waitForFunction(() => document.querySelectorAll("#messages .note").length >= 6);
  rude.close();
  await says(page, "The other side has left");
  await done(page);
  await unreachable;

  // Rust is gone, and back.
  const rust = await test.rust();
  const address = new URL(rust.url).host;
  const caller = await test.page(`${rust.url}/`);
  await ready(caller);
  await caller.click("#call-rust");
  await pictures(caller, 3);
  rust.signal("SIGSTOP");
  await says(caller, "The call is interrupted", "Hang up");
  rust.signal("SIGCONT");
  await quiet(caller);
  await pictures(caller, 3);
  await rust.kill();
  await says(caller, "The connection to the server was lost", "Call again");
  await inLobby(caller);
  await step(caller, "Call again");
  await says(caller, "No Rust peer here", "Try again");
  const back = await test.rust(undefined, address);
  await step(caller, "Try again");
  await pictures(caller, 3);
  await caller.click("#hang-up");

  // The server dies while one waits, and while two talk.
  await caller.click("#call-link");
  await invited(caller);
  const invitation = await caller.inputValue("#invite input");
  await back.kill();
  await says(caller, "Nobody can come to this call before it is back", "Hang up");
  await step(caller, "Try again");
  await says(caller, "The room cannot be reached", "Try again");
  const again = await test.rust(undefined, address);
  await step(caller, "Try again");
  await invited(caller);
  const visitor = await test.beside(caller, invitation);
  await Promise.all([caller, visitor].map((page) => pictures(page, 2)));
  await again.kill();
  await says(caller, "The server is gone", "All right");
  await step(caller, "All right");
  await Promise.all([caller, visitor].map((page) => pictures(page, 2)));
  await visitor.close();
  await says(caller, "The call has ended", "Call again");
  await step(caller, "Hang up");
  await inLobby(caller);
  await done(caller);
  test.forgive(/WebSocket connection|ERR_CONNECTION_REFUSED/);
});
