// A page in Chromium and one in Firefox, in a room of browser_call: pictures and sound, data, and ICE restarts by each.
import { firefox } from "./bidi.mjs";
import { assert, launchChromium, run } from "./harness.mjs";

const NAMES = ["Chromium", "Firefox"];

await run("mixed", 150, async (test) => {
  const rooms = await test.rust();
  const context = await (await launchChromium(test.cleanup)).newContext({ permissions: ["camera", "microphone"] });
  const chromium = await context.newPage();
  await chromium.goto(`${test.url}/test/page.html`);
  await chromium.waitForFunction(() => window.ready);
  const ends = [chromium, await test.browser.page(`${test.url}/test/page.html`)];
  const each = (work, argument) => Promise.all(ends.map((page) => page.evaluate(work, argument)));
  await each(async (url) => {
    window.caller = new Caller(await socket(url));
    caller.add(await media());
  }, `${rooms.ws}/room/mixed`);
  await each(() => caller.introduce());
  await each(async () => {
    const [video] = await caller.pictures(1);
    await moves(video);
    // Firefox plays into no AudioContext before a click, Chromium counts no energy of what is muted.
    if (navigator.userAgent.includes("Firefox")) await inbound(caller, (one) => one.kind === "audio" && one.totalAudioEnergy > 0, "sound");
    else await ear(video.srcObject).hears();
  });
  console.log("pictures and sound both ways");

  // Twice each: a restart finds the session as the one before has left it.
  const ufrags = () => each(() => caller.connection.local.ice.usernameFrag);
  let old = await ufrags();
  for (const at of [0, 1, 0, 1]) {
    await ends[at].evaluate(() => caller.connection.restart());
    await each(async () => {
      // The path of before may be in use a little longer.
      await pause(1500);
      await moves([...caller.videos.values()][0]);
    }).catch(async (error) => {
      throw new Error(`${error.message} after a restart by ${NAMES[at]}: ${(await each(() => caller.report())).join("\n")}`);
    });
    const now = await ufrags();
    assert(now[at] !== old[at], `the same credentials after a restart by ${NAMES[at]}`);
    old = now;
    console.log(`a restart by ${NAMES[at]}: pictures go on`);
  }
  await ends[1].evaluate(() => {
    caller.connection.ondatachannel = ({ channel }) => {
      channel.onmessage = ({ data }) => channel.send(`you said: ${data}`);
    };
  });
  const answer = await chromium.evaluate(async () => {
    const channel = caller.connection.createDataChannel("after");
    caller.channel(channel);
    await until(() => channel.readyState === "open", "an open channel");
    channel.send("still there?");
    return until(() => caller.heard[0], "the answer");
  });
  assert(answer === "you said: still there?", answer);
  const after = await each(() => [caller.connection.state, caller.events.filter(({ name }) => name === "error" || name === "disconnected")]);
  assert(after.every(([state, wrong]) => state === "connected" && !wrong.length), JSON.stringify(after));
  await each(() => caller.close());
}, firefox);
