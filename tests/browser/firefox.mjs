// Firefox: two tabs, then a tab and Rust. The same page code as in Chromium.
import { firefox } from "./bidi.mjs";
import { assert, assertNoSdp, run } from "./harness.mjs";

await run("firefox", 220, async (test) => {
  const { browser } = test;
  const open = () => browser.page(`${test.url}/test/page.html`);
  console.log(`Firefox ${browser.version}`);

  const pages = [await open(), await open()];
  const both = (work, argument) => Promise.all(pages.map((page) => page.evaluate(work, argument)));
  await both(async () => {
    window.stream = await media();
    window.caller = new Caller(tabs("call"));
    caller.add(stream);
  });
  await both(() => caller.introduce());
  const seen = await both(async () => {
    const [video] = await caller.pictures(1);
    return { picture: await moves(video), state: caller.connection.state };
  });
  for (const { picture, state } of seen) assert(picture.bright > 5 && state === "connected", JSON.stringify(seen));
  console.log("two tabs: pictures move");
  const [a, b] = pages;
  await a.evaluate(async () => {
    const channel = caller.connection.createDataChannel("chat");
    await until(() => channel.readyState === "open", "an open channel");
    channel.send("good day");
  });
  await b.evaluate(() => until(() => caller.heard?.[0] === "good day", "the message"));

  // A second picture comes and goes; then an ICE restart.
  await a.evaluate(() => {
    window.second = drawing(320, 180);
    [window.sent] = caller.add(second);
  });
  await b.evaluate(async () => moves((await caller.pictures(2))[1]));
  await a.evaluate(() => {
    caller.remove(sent);
    second.getTracks().forEach((track) => track.stop());
  });
  await b.evaluate(() => until(() => caller.videos.size === 1, "one stream left"));
  console.log("two tabs: data, a second picture");
  await a.evaluate(() => caller.connection.restart());
  await both(async () => {
    await pause(1000);
    await moves([...caller.videos.values()][0]);
    if (caller.connection.state !== "connected") throw new Error(caller.connection.state);
  });
  console.log("two tabs: ICE restart");
  const errors = await both(() => caller.events.filter(({ name }) => name === "error"));
  assert(!errors.flat().length, JSON.stringify(errors));
  await both(() => caller.close());
  assertNoSdp((await both(() => caller.wire.sent)).flat());
  await b.close();

  // Rust: the clock and the echo, digits, data. VP8, VP9 and AV1; H.264 needs a plug-in that is not there.
  const rust = await test.rust(3);
  for (const video of ["vp8", "vp9", "av1"]) {
    const answer = await a.evaluate(
      async ([url, video]) => {
        window.caller = new Caller(await socket(url));
        await caller.introduce();
        const stream = await media();
        for (const track of caller.connection.addStream(stream)) {
          if (track.kind === "video") track.prefer(video);
          caller.describe(track);
        }
        for (const shown of await caller.pictures(2)) await moves(shown);
        const channel = caller.connection.createDataChannel("talk");
        await until(() => channel.readyState === "open", "an open channel");
        const said = new Promise((resolve) => { channel.onmessage = ({ data }) => resolve(data); });
        channel.send("bonjour");
        const answer = await said;
        const dtmf = caller.connection.addDtmfHandler();
        await caller.describe(caller.connection.tracks({ kind: "audio" })[0]);
        dtmf.play({ digits: "7", duration: 200 });
        await until(() => caller.heard?.includes("Rust heard the digit 7."), "the digit");
        const errors = caller.events.filter(({ name }) => name === "error");
        if (errors.length) throw new Error(JSON.stringify(errors));
        caller.close();
        return answer;
      },
      [`${rust.ws}/call?video=${video}`, video],
    );
    assert(answer === "You said: bonjour", answer);
    console.log(`Rust in ${video}: pictures both ways, data, digits`);
  }
  assert((await rust.ended) === 0 && rust.lines.at(-1) === "OK", rust.lines.join("\n"));

  // The demo page: camera and microphone are given late, then the drawer.
  const server = await test.rust();
  const demo = await browser.page(`${server.url}/`, () => document.documentElement.dataset.ready);
  await demo.evaluate(async () => {
    const until = async (look, what) => {
      for (const end = Date.now() + 20_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
        if (await look()) return;
        if (Date.now() > end) throw new Error(`never: ${what}`);
      }
    };
    const $ = (selector) => document.querySelector(selector);
    const pictures = () => document.querySelectorAll("#tiles .tile.picture").length;
    for (const box of [$("#use-mic"), $("#use-camera")]) if (box.checked) box.click();
    $("#call-rust").click();
    await until(() => pictures() === 1, "the clock");
    $("#mute-camera").click();
    $("#mute-mic").click();
    await until(() => pictures() === 3, "the own picture, and back from Rust");
    await until(() => ["#mute-mic", "#mute-camera"].every((button) => $(button).dataset.state === "live"), "live buttons");
    $('[data-open="keypad"]').click();
    await until(() => document.activeElement.textContent === "1", "the first key");
    document.activeElement.click();
    await until(() => $("#messages").textContent.includes("heard the digit 1"), "the digit");
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    await until(() => document.activeElement.dataset.open === "keypad", "the button again");
    $("#hang-up").click();
    await until(() => $("#call").hidden && !$("#lobby").hidden, "the lobby");
  });
  console.log("The demo page");
}, firefox);
