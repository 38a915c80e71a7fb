// Every codec that the browser sends, between two tabs; then a change of codec while sending.
import { assert, assertNoSdp, run } from "./harness.mjs";

await run("codecs", 180, async (test) => {
  const a = await test.page();
  const b = await test.beside(a);

  const capabilities = await a.evaluate(() => ortc.getRTCCapabilities());
  const names = (codecs) => codecs.map(({ name }) => name);
  for (const name of ["opus", "alaw", "ulaw", "dtmf", "vp8", "h264"]) {
    // Row A108.
    const codec = await a.evaluate((name) => ortc.getRTCCodec(name), name);
    assert(codec?.name === name && Number.isInteger(codec["payload-id"]), `${name}: ${JSON.stringify(codec)}`);
  }
  assert((await a.evaluate(() => ortc.getRTCCodec("speex"))) === null, "speex");
  assert(names(capabilities.audioCodecs).includes("opus") && names(capabilities.videoCodecs).includes("vp8"));

  for (const page of [a, b]) {
    await page.evaluate(async () => {
      window.caller = new Caller(tabs("call"));
    });
  }
  await a.evaluate(async () => caller.add(await media()));
  for (const page of [a, b]) await page.evaluate(() => caller.introduce());
  await b.evaluate(async () => {
    const [video] = await caller.pictures(1);
    window.hearing = ear(video.srcObject);
  });

  const kinds = { video: ["vp8", "h264", "vp9", "av1"], audio: ["opus", "ulaw", "alaw", "g722"] };
  const mime = { ulaw: "PCMU", alaw: "PCMA" };
  for (const kind of ["video", "audio"]) {
    for (const name of kinds[kind]) {
      await a.evaluate(
        async ([kind, name]) => {
          const [track] = caller.connection.tracks({ kind });
          track.prefer(name);
          caller.describe(track);
        },
        [kind, name],
      );
      const expected = (mime[name] ?? name).toLowerCase();
      await b.evaluate(
        async ([kind, expected]) => {
          await inbound(caller, (one) => one.kind === kind && one.codec?.toLowerCase() === expected, `${expected} comes`);
          if (kind === "video") await moves([...caller.videos.values()][0]);
          else await hearing.hears();
        },
        [kind, expected],
      );
      console.log(`${kind} in ${name}: decoded`);
    }
  }

  // What no browser sends is an error at once, and changes nothing.
  const refused = await a.evaluate(() => {
    const [track] = caller.connection.tracks({ kind: "audio" });
    const before = JSON.stringify(track.codecs);
    try {
      track.codecs = [{ "payload-id": 100, name: "speex" }];
    } catch (error) {
      return [error.name, before === JSON.stringify(track.codecs)];
    }
  });
  assert(refused.join() === "NotSupportedError,true", refused);
  const unreceivable = await b.evaluate(() => {
    try {
      caller.connection.receiveTrack({ kind: "audio", ssrc: "77", msid: ["x"], codecs: [{ "payload-id": 100, name: "speex" }] });
    } catch (error) {
      return error.name;
    }
  });
  assert(unreceivable === "NotSupportedError", unreceivable);

  // Limits reach the encoder.
  const limits = await a.evaluate(async () => {
    const [track] = caller.connection.tracks({ kind: "video" });
    track.mediaAttributes = [{ maxBitrate: 150_000, maxFramerate: 10, videoMaxWidth: 160 }];
    const limited = () => track.sender.getParameters().encodings[0].maxBitrate && track.sender.getParameters().encodings;
    const [{ maxBitrate, maxFramerate, scaleResolutionDownBy }] = await until(limited, "limits");
    return [maxBitrate, maxFramerate, scaleResolutionDownBy, track.getDescription().mediaAttributes[0].maxBitrate];
  });
  assert(limits.join() === "150000,10,2,150000", limits);
  await b.evaluate(() => inbound(caller, (one) => one.kind === "video" && one.frameWidth === 160, "a smaller picture"));

  // What a hostile peer may signal: nothing of it gets into a line, and nobody else suffers.
  const hostile = await b.evaluate(async () => {
    const { connection } = caller;
    const codecs = [{ "payload-id": 100, name: "vp8" }];
    const thrown = [];
    for (const bad of [
      { kind: "video", ssrc: "1", msid: ["x\r\na=inactive"], codecs },
      { kind: "video", ssrc: "1\r\n", msid: ["x"], codecs },
      { kind: "video", ssrc: "1", msid: ["x"], codecs: [{ "payload-id": 100, name: "vp8\nm=audio" }] },
      { kind: "video", ssrc: "1", msid: ["x"], codecs: [{ "payload-id": 72, name: "vp8" }] },
      { kind: "video", ssrc: "99999999999", msid: ["x"], codecs },
      { kind: "application", ssrc: "1", msid: ["x"], codecs },
    ]) {
      try {
        connection.receiveTrack(bad);
        thrown.push("nothing");
      } catch (error) {
        thrown.push(error.name);
      }
    }
    for (const bad of [{ ice: { usernameFrag: "a\r\nb", password: "x".repeat(30) } }, { ice: { usernameFrag: "abcd", password: "short" } }]) {
      try {
        connection.setRemote(bad);
        thrown.push("nothing");
      } catch (error) {
        thrown.push(error.name);
      }
    }
    connection.setRemoteCandidate({ foundation: "1\r\n", component: 1, transport: "udp", priority: 1, connectionAddress: "::1", connectionPort: 1, type: "host" });
    // One id for two codecs passes here, not in the browser; the good one beside it is received.
    const refused = connection.receiveTrack({ kind: "video", ssrc: "11", msid: ["bad"], codecs: [{ "payload-id": 100, name: "vp8" }, { "payload-id": 100, name: "vp9" }] });
    const good = connection.receiveTrack({ kind: "video", ssrc: "12", msid: ["good"], codecs });
    const outcome = [await refused.then(() => "received", () => "refused"), (await good).kind];
    connection.stopReceiving("12");
    await moves([...caller.videos.values()][0]);
    caller.events = caller.events.filter(({ name }) => name !== "error");
    return { thrown, outcome };
  });
  assert(hostile.thrown.every((name) => /^(InvalidAccessError|NotSupportedError)$/.test(name)), hostile.thrown);
  assert(hostile.outcome.join() === "refused,video", hostile.outcome);

  // Simulcast: three encodings by rid leave the encoder.
  const layers = await a.evaluate(async () => {
    const [track] = caller.connection.addStream(drawing(960, 540));
    track.mediaAttributes = [
      { rid: "q", resolutionScale: 4, maxBitrate: 60_000 },
      { rid: "h", resolutionScale: 2, maxBitrate: 150_000 },
      { rid: "f", maxBitrate: 400_000 },
    ];
    await track.ready;
    const description = track.getDescription();
    const sent = await until(async () => {
      const { outboundRtp } = await caller.connection.stats();
      const rids = outboundRtp.filter(({ rid, packetsSent }) => rid && packetsSent > 0).map(({ rid }) => rid);
      return rids.length >= 2 && rids;
    }, "two encodings");
    return { sent, described: description.encodings.map(({ rid }) => rid), muxId: description.muxId };
  });
  assert(layers.described.join() === "q,h,f" && layers.muxId, JSON.stringify(layers));

  const problems = await Promise.all([a, b].map((page) => page.evaluate(() => caller.events.filter(({ name }) => name === "error"))));
  assert(!problems.flat().length, JSON.stringify(problems));
  assertNoSdp((await Promise.all([a, b].map((page) => page.evaluate(() => caller.wire.sent)))).flat());
  for (const page of [a, b]) await page.evaluate(() => caller.close());
});
