// The demo page: what is sent, what the own tile shows and what the buttons say agree in every order of events.
import { assert, pictures, run } from "./harness.mjs";

/** Before the page: devices that say what the test wants, and a list of connections. */
function prepare(answers) {
  window.answers = answers;
  window.given = [];
  const { mediaDevices } = navigator;
  const ask = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (wanted) => {
    for (const kind of ["audio", "video"].filter((kind) => wanted[kind])) {
      while (window.answers[kind] === "wait") await new Promise((resolve) => setTimeout(resolve, 20));
      if (window.answers[kind] !== "yes") throw new DOMException("", window.answers[kind]);
    }
    const stream = await ask(wanted);
    window.given.push(...stream.getTracks());
    return stream;
  };
  window.connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...options) {
      super(...options);
      window.connections.push(this);
    }
  };
}

/** Until all three agree on these kinds, told as "audio video"; a kind that is muted has a "-" before it. */
async function agree(page, kinds) {
  const look = () => {
    const sent = window.connections
      .filter((connection) => connection.connectionState !== "closed")
      .flatMap((connection) => connection.getSenders())
      .map(({ track }) => track)
      .filter((track) => track?.readyState === "live");
    const shown = document.querySelector("#tiles .own video")?.srcObject.getTracks() ?? [];
    const say = (tracks) => [...new Set(tracks)].map((track) => `${track.enabled ? "" : "-"}${track.kind}:${track.id}`).sort().join(" ");
    const buttons = [["audio", "#mute-mic"], ["video", "#mute-camera"]].flatMap(([kind, selector]) => {
      const { dataset: { state }, disabled, ariaPressed } = document.querySelector(selector);
      if (disabled || ariaPressed !== String(state !== "live")) return [`${kind} is wrong`];
      return { live: [kind], muted: [`-${kind}`], absent: [], asking: [] }[state];
    });
    const picture = document.querySelector("#tiles .own.picture") !== null;
    return { sent: say(sent), shown: say(shown), kinds: say(sent).replace(/:\S+/g, ""), buttons: buttons.sort().join(" "), picture };
  };
  const wanted = kinds.split(" ").filter(Boolean).sort().join(" ");
  const end = Date.now() + 20_000;
  for (;;) {
    const seen = await page.evaluate(look);
    const right = seen.sent === seen.shown && seen.kinds === wanted && seen.buttons === wanted && seen.picture === wanted.includes("video");
    if (right) return seen.sent;
    assert(Date.now() < end, `wanted ${wanted}: ${JSON.stringify(seen)}`);
    await page.waitForTimeout(50);
  }
}

const echo = (page, picture) => page.waitForFunction((picture) => [...document.querySelectorAll("#tiles .tile")].some((tile) =>
  tile.textContent.startsWith("YYou, sent back") && tile.matches(".picture") === picture), picture, { timeout: 20_000 });
const answer = (page, answers) => page.evaluate((answers) => Object.assign(window.answers, answers), answers);
const trouble = (page, text) => page.waitForFunction((text) => {
  const box = document.querySelector("#trouble");
  return text === null ? box.hidden : !box.hidden && box.textContent.includes(text);
}, text);
/** As the browser ends a track: `stop` alone tells nobody. */
const ends = (page, kind) => page.evaluate((kind) => {
  const track = window.given.findLast((track) => track.kind === kind && track.readyState === "live");
  track.stop();
  track.dispatchEvent(new Event("ended"));
}, kind);

await run("controls", 200, async (test) => {
  const rust = await test.rust();
  const open = async (answers, address = `${rust.url}/`) => {
    const page = await test.page("about:blank");
    page.said = []; // to the other side
    page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => page.said.push(payload)));
    await page.addInitScript(prepare, { audio: "yes", video: "yes", ...answers });
    await page.goto(address);
    await page.waitForSelector("html[data-ready]");
    return page;
  };
  const done = (page) => page.context().close();
  let page;

  // Both denied, call, permission given, try again; then muted, and not.
  page = await open({ audio: "NotAllowedError", video: "NotAllowedError" });
  await trouble(page, "not allowed to use your camera and microphone");
  await page.click("#call-rust");
  await pictures(page, 1);
  await agree(page, "");
  await answer(page, { audio: "yes", video: "yes" });
  await page.click("#try-again");
  await agree(page, "audio video");
  await echo(page, true);
  await pictures(page, 3);
  await trouble(page, null);
  await page.click("#mute-camera");
  await agree(page, "audio -video");
  await page.click("#mute-mic");
  await agree(page, "-audio -video");
  // Muted stays muted in this call, and the next begins as its buttons say.
  await page.click("#hang-up");
  await page.click("#call-rust");
  await agree(page, "audio video");
  await pictures(page, 3);

  // A device that ends is neither sent nor shown; its button brings it back, with digits in its packets.
  await page.click('[data-open="keypad"]');
  await page.click('.keys button:text-is("1")');
  const heard = (digit) => page.waitForFunction((digit) => document.querySelector("#messages").textContent.includes(`heard the digit ${digit}`), digit, { timeout: 20_000 });
  await heard("1");
  await ends(page, "audio");
  await trouble(page, "Your microphone has stopped");
  await agree(page, "video");
  await page.click('.keys button:text-is("2")');
  await page.waitForFunction(() => document.querySelector("#messages").textContent.includes("Digits need a microphone"));
  await page.click("#mute-mic");
  await agree(page, "audio video");
  await page.click('.keys button:text-is("3")');
  await heard("3");
  await ends(page, "video");
  await agree(page, "audio");
  await echo(page, false);
  await page.click("#go-without");
  await trouble(page, null);
  await page.click("#mute-camera");
  await agree(page, "audio video");
  await echo(page, true);

  // One that was unplugged is replaced: the same track for the other side, muted if it was.
  await page.click("#mute-camera");
  const before = await agree(page, "audio -video");
  const said = page.said.length;
  await page.evaluate(() => {
    const real = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await real()).map(({ kind }) => ({ kind, deviceId: "another" }));
  });
  await ends(page, "video");
  await page.waitForFunction(() => window.given.filter((track) => track.kind === "video" && track.readyState === "live").length === 1);
  const after = await agree(page, "audio -video");
  assert(before !== after && page.said.length === said, `${before}\n${after}\n${page.said.slice(said)}`);
  await page.click("#mute-camera");
  await agree(page, "audio video");
  await pictures(page, 3);
  // A switch on the device itself: it says so and stays in use.
  await page.evaluate(() => {
    const track = window.given.findLast((track) => track.kind === "audio" && track.readyState === "live");
    Object.defineProperty(track, "muted", { value: true });
    track.dispatchEvent(new Event("mute"));
  });
  await page.waitForSelector('#mute-mic[data-state="silenced"][aria-pressed="false"]');
  await done(page);

  // The camera alone is missing: the microphone does not go with it. Later it is plugged in.
  page = await open({ video: "NotFoundError" });
  await trouble(page, "No camera found");
  await page.click("#go-without");
  await page.click("#call-rust");
  await agree(page, "audio");
  await answer(page, { video: "NotReadableError" });
  await page.click("#mute-camera");
  await trouble(page, "Your camera cannot be opened");
  await agree(page, "audio");
  await answer(page, { video: "yes" });
  await page.click("#try-again");
  await agree(page, "audio video");
  await echo(page, true);
  await done(page);

  // The browser still asks when the call begins: what is granted then is sent.
  page = await open({ audio: "wait", video: "wait" });
  await page.click("#call-rust");
  await pictures(page, 1);
  await page.waitForSelector('#mute-camera[data-state="asking"]');
  await answer(page, { audio: "yes", video: "yes" });
  await agree(page, "audio video");
  await echo(page, true);
  await done(page);

  // It still asks when the call is over: the preview has it, and the next call.
  page = await open({ audio: "wait", video: "wait" });
  await page.click("#call-rust");
  await pictures(page, 1);
  await page.click("#hang-up");
  await answer(page, { audio: "yes", video: "yes" });
  await page.waitForSelector("#lobby .tile.live");
  await page.click("#call-rust");
  await agree(page, "audio video");
  await done(page);

  // It is switched off while the browser asks: nothing goes on recording.
  page = await open({ video: "wait" });
  await page.uncheck("#use-camera");
  await answer(page, { video: "yes" });
  await page.waitForFunction(() => window.given.some((track) => track.kind === "video"));
  await page.waitForFunction(() => window.given.every((track) => (track.kind === "audio") === (track.readyState === "live")));
  await page.check("#use-camera");
  await page.waitForSelector("#lobby .tile.live");
  await done(page);

  // Between pages: granted while nobody is there, and in the call; the other one comes back.
  page = await open({ video: "NotAllowedError" });
  await page.click("#call-link");
  await answer(page, { video: "yes" });
  await page.click("#try-again");
  const link = await page.inputValue("#invite input");
  let guest = await open({ video: "NotAllowedError" }, link);
  await agree(page, "audio video");
  await agree(guest, "audio");
  await pictures(guest, 1);
  await answer(guest, { video: "yes" });
  await guest.click("#mute-camera");
  await agree(guest, "audio video");
  await pictures(page, 2);
  await ends(page, "video");
  await agree(page, "audio");
  await guest.waitForFunction(() => document.querySelectorAll("#tiles .tile.picture").length === 1, null, { timeout: 20_000 });
  await done(guest);
  await page.click("#mute-camera");
  guest = await open({}, link);
  for (const one of [page, guest]) {
    await agree(one, "audio video");
    await pictures(one, 2);
  }
});
