// Two tabs call each other.
import { assert, assertNoSdp, run } from "./harness.mjs";

await run("pages", 150, async (test) => {
  const a = await test.page();
  const b = await test.beside(a);
  const both = (work, argument) => Promise.all([a, b].map((page) => page.evaluate(work, argument)));

  // Audio and video, both ways.
  await both(async () => {
    window.stream = await media();
    window.caller = new Caller(tabs("call"));
    caller.add(stream);
    // One of each side's, before the DTLS role is known.
    window.early = caller.connection.createDataChannel("early");
  });
  await a.evaluate(() => caller.introduce());
  await b.evaluate(() => caller.introduce());
  const seen = await both(async () => {
    const [video] = await caller.pictures(1);
    const picture = await moves(video);
    window.hearing = ear(video.srcObject);
    await hearing.hears();
    return { picture, state: caller.connection.state, events: caller.events.map(({ name }) => name), local: caller.connection.local };
  });
  for (const { picture, state, events } of seen) {
    assert(picture.width === 320 && picture.bright > 5, `a picture: ${JSON.stringify(picture)}`);
    assert(state === "connected", state);
    for (const name of ["connected", "addstream", "endofcandidates", "activecandidate", "stream connected"]) {
      assert(events.includes(name), `no ${name} in ${events}`);
    }
  }

  const ids = await both(() => until(() => early.readyState === "open" && caller.data?.label === "early" && [early.id, caller.data.id], "early channels"));
  assert(ids[0][0] !== ids[1][0] && ids[0][0] === ids[1][1], JSON.stringify(ids));

  // DTLS roles by the credentials.
  const [one, two] = seen.map(({ local }) => local.ice.usernameFrag);
  const roles = await both(async () => (await caller.connection.stats()).transport.dtlsRole);
  assert(roles.join() === (one > two ? "server,client" : "client,server"), `${one} ${two} ${roles}`);

  // Data, in both directions and of both kinds.
  const echoed = await a.evaluate(async () => {
    const channel = caller.connection.createDataChannel("chat", { ordered: true });
    channel.binaryType = "arraybuffer";
    caller.channel(channel);
    await until(() => channel.readyState === "open", "an open channel");
    channel.send("good day");
    channel.send(new Uint8Array([1, 2, 3]));
    return channel.label;
  });
  assert(echoed === "chat");
  const heard = await b.evaluate(async () => {
    await until(() => caller.heard?.length === 2, "two messages");
    caller.data.send("to you too");
    const [text, bytes] = caller.heard;
    return [caller.data.label, text, [...new Uint8Array(await new Response(bytes).arrayBuffer())]];
  });
  assert(JSON.stringify(heard) === '["chat","good day",[1,2,3]]', JSON.stringify(heard));
  await a.evaluate(() => until(() => caller.heard?.includes("to you too"), "the answer"));

  // Digits: heard as tones, since a browser gives no event for them.
  const listen = () => Promise.all([
    b.evaluate(async () => {
      const found = new Set();
      const end = performance.now() + 6000;
      while (found.size < 2 && performance.now() < end) {
        const digit = hearing.digit();
        if (digit) found.add(digit);
        await pause(20);
      }
      return [...found];
    }),
    a.evaluate(async () => {
      const [microphone] = stream.getAudioTracks();
      microphone.enabled = false; // Its beeps would cover the digits.
      await pause(300);
      const dtmf = caller.connection.addDtmfHandler();
      const [audio] = caller.connection.tracks({ kind: "audio" });
      await caller.describe(audio); // The peer must know of the new codec.
      await pause(300);
      const events = [];
      for (const name of ["tonestart", "tonestop", "tone"]) dtmf[`on${name}`] = (event) => events.push([name, event.digit ?? event.tone.digits]);
      dtmf.play({ digits: "5", duration: 400, interToneGap: 100 });
      dtmf.play("#");
      dtmf.play({ digits: "#", duration: 300, interToneGap: 50 });
      await until(() => events.length === 9, "nine events");
      microphone.enabled = true;
      return { events, described: audio.getDescription().codecs.filter(({ name }) => name === "dtmf").length };
    }),
  ]);
  let tones = await listen();
  // A machine that stands still for a moment may have missed one.
  for (let again = 0; again < 2 && tones[0].length < 2; again++) tones = await listen();
  const order = JSON.stringify(tones[1].events);
  assert(order === '[["tonestart","5"],["tonestop","5"],["tone","5"],["tonestart","#"],["tonestop","#"],["tone","#"],["tonestart","#"],["tonestop","#"],["tone","#"]]', order);
  assert(tones[1].described > 0, "the description has no dtmf codec");
  assert(tones[0].includes("5") && tones[0].includes("#"), `heard ${tones[0]}`);

  // Mute: black and silent, then as before.
  await a.evaluate(() => stream.getTracks().forEach((track) => { track.enabled = false; }));
  await b.evaluate(async () => {
    const [video] = caller.videos.values();
    await until(() => isBlack(video), "a black picture");
  });
  await a.evaluate(() => stream.getTracks().forEach((track) => { track.enabled = true; }));
  await b.evaluate(async () => {
    const [video] = caller.videos.values();
    await moves(video);
  });

  // A second camera, added and removed while the first goes on; three times, so that sections are used again.
  for (let round = 0; round < 3; round++) {
    await a.evaluate(async () => {
      window.second = drawing(640, 360);
      [window.sent] = caller.add(second);
    });
    const size = await b.evaluate(async () => {
      const videos = await caller.pictures(2);
      const { width, height } = await moves(videos[1]);
      await moves(videos[0]);
      return { width, height };
    });
    // The encoder may scale it down, not change its shape.
    assert(Math.abs(size.width / size.height - 16 / 9) < 0.1, `${size.width}x${size.height}`);
    await a.evaluate(() => {
      caller.remove(sent);
      second.getTracks().forEach((track) => track.stop());
    });
    await b.evaluate(() => until(() => caller.videos.size === 1, "one stream left"));
  }

  // Stop and start of a sending track keep its SSRC.
  const kept = await a.evaluate(async () => {
    const [track] = caller.connection.tracks({ kind: "video" });
    const { ssrc } = track;
    track.stop();
    await pause(400);
    track.start();
    return ssrc === track.ssrc && ssrc === track.getDescription().ssrc;
  });
  assert(kept, "another ssrc");
  await b.evaluate(async () => {
    await pause(200);
    await moves([...caller.videos.values()][0]);
  });

  // A third and fourth microphone and camera at once: more than were prepared.
  await a.evaluate(async () => {
    for (let n = 0; n < 3; n++) caller.add(drawing(320, 180));
  });
  await b.evaluate(async () => {
    for (const video of await caller.pictures(4)) await moves(video);
  });

  // ICE restart, from one side and then the other; the picture goes on.
  for (const [page, other] of [[a, b], [b, a]]) {
    const changed = await page.evaluate(async () => {
      const before = caller.connection.local.ice.usernameFrag;
      await caller.connection.restart();
      return [before, caller.connection.local.ice.usernameFrag];
    });
    assert(changed[0] !== changed[1], "the same credentials after a restart");
    await other.evaluate((ufrag) => until(() => caller.connection.remote.ice.usernameFrag === ufrag, "the new credentials"), changed[1]);
    await both(async () => {
      await pause(500);
      await moves([...caller.videos.values()][0]);
      if (caller.connection.state !== "connected") throw new Error(caller.connection.state);
    });
  }

  const problems = await both(() => caller.events.filter(({ name }) => name === "error" || name === "disconnected"));
  assert(!problems.flat().length, JSON.stringify(problems));
  assertNoSdp((await both(() => caller.wire.sent)).flat());

  await both(() => caller.close());
  const after = await a.evaluate(() => {
    try {
      caller.connection.createDataChannel("late");
      return "no error";
    } catch (error) {
      return error.name;
    }
  });
  assert(after === "InvalidStateError", after);
});
