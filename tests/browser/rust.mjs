// A tab calls a Rust peer: server/examples/browser_call.
import { assert, assertNoSdp, capture, run } from "./harness.mjs";

await run("rust", 150, async (test) => {
  const rust = await test.rust(1);
  const page = await test.page();
  const texts = capture(page);

  // The clock from Rust, and the camera back from it.
  const seen = await page.evaluate(async (url) => {
    window.stream = await media();
    window.caller = new Caller(await socket(url));
    caller.introduce();
    caller.add(stream);
    const videos = await caller.pictures(2);
    const pictures = [];
    for (const video of videos) pictures.push(await moves(video));
    window.clock = videos.find((video) => video.videoWidth === 640);
    window.echo = videos.find((video) => video !== clock);
    return { pictures, stats: await caller.connection.stats(), remote: caller.connection.remote };
  }, `${rust.ws}/call`);
  const widths = seen.pictures.map(({ width }) => width).sort();
  assert(widths.join() === "320,640", JSON.stringify(seen.pictures));
  assert(seen.pictures.every(({ bright }) => bright > 5), JSON.stringify(seen.pictures));
  assert(seen.stats.transport.dtlsState === "connected", JSON.stringify(seen.stats.transport));
  assert(seen.remote.dtls.fingerprint["sha-256"], "no fingerprint of the peer");

  // The tone: three notes from 440 Hz upwards beside 330 Hz.
  await page.evaluate(async () => {
    window.tone = ear(clock.srcObject);
    await tone.hears();
    await until(() => tone.peak() > 300 && tone.peak() < 700, "the tone");
  });
  await page.evaluate(async () => ear(echo.srcObject).hears());

  // Mute: the echo turns black, then moves again.
  await page.evaluate(async () => {
    const [camera] = stream.getVideoTracks();
    camera.enabled = false;
    await until(() => isBlack(echo), "a black echo");
    camera.enabled = true;
    await moves(echo);
  });

  // Digits: the Rust side hears them, plays them back, and says so in a data channel that it has opened.
  const digits = await page.evaluate(async () => {
    stream.getAudioTracks()[0].enabled = false;
    const dtmf = caller.connection.addDtmfHandler();
    await caller.describe(caller.connection.tracks({ kind: "audio" })[0]);
    await pause(200);
    dtmf.play([{ digits: "4", duration: 200, interToneGap: 100 }, { digits: "#", duration: 200, interToneGap: 100 }]);
    await until(() => caller.heard?.length === 2, "two digits");
    stream.getAudioTracks()[0].enabled = true;
    return caller.heard;
  });
  assert(digits.join() === "Rust heard the digit 4.,Rust heard the digit #.", digits);

  // Data: words, a message of many packets, and one that is not sent again.
  const answers = await page.evaluate(async () => {
    const exchange = async (init, message) => {
      const channel = caller.connection.createDataChannel("talk", init);
      channel.binaryType = "arraybuffer";
      await until(() => channel.readyState === "open", "an open channel");
      const answer = new Promise((resolve) => { channel.onmessage = ({ data }) => resolve(data); });
      channel.send(message);
      // What is not sent again may be lost.
      const again = init.maxRetransmits === 0 && setInterval(() => channel.send(message), 2000);
      const came = await answer;
      clearInterval(again);
      channel.close();
      return came;
    };
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const [text, same, quick] = await Promise.all([
      exchange({}, "größe"),
      exchange({ ordered: false }, bytes),
      exchange({ ordered: false, maxRetransmits: 0 }, "quick"),
    ]);
    const back = new Uint8Array(same);
    return [text, back.length === bytes.length && back.every((byte, at) => byte === bytes[at]), quick];
  });
  assert(answers.join() === "You said: größe,true,You said: quick", answers);

  // A second picture, sent and taken away: it comes back as an echo of its own and goes.
  for (let round = 0; round < 2; round++) {
    await page.evaluate(async () => {
      const second = drawing(320, 180);
      const [track] = caller.add(second);
      const [, , video] = await caller.pictures(3);
      await moves(video);
      caller.remove(track);
      second.getTracks().forEach((track) => track.stop());
      await moves(clock);
      await moves(echo);
    });
  }

  // ICE restart by the page: media goes on.
  await page.evaluate(async () => {
    const { local } = caller.connection;
    const before = local.ice.usernameFrag;
    await caller.connection.restart();
    if (caller.connection.local.ice.usernameFrag === before) throw new Error("the same credentials");
    await pause(1000);
    await moves(clock);
    await moves(echo);
    if (caller.connection.state !== "connected") throw new Error(caller.connection.state);
  });

  const problems = await page.evaluate(() => caller.events.filter(({ name }) => name === "error" || name === "disconnected"));
  assert(!problems.length, JSON.stringify(problems));
  await page.evaluate(() => caller.close());
  assert((await rust.ended) === 0, "browser_call failed");
  assert(rust.lines.at(-1) === "OK", rust.lines.join("\n"));
  console.log(rust.lines.join("\n"));
  assertNoSdp(texts);
  for (const member of ["iceInfo", "candidate", "track"]) {
    assert(texts.some((text) => text.startsWith(`{"${member}":`)), `no ${member} crossed`);
  }
});
