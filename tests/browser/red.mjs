// Redundant audio between a tab and Rust: each packet carries the one before it again (RFC 2198).
import { assert, assertNoSdp, capture, run } from "./harness.mjs";

await run("red", 180, async (test) => {
  const rust = await test.rust(1);
  const page = await test.page();
  const texts = capture(page);
  const heard = await page.evaluate(async (url) => {
    const caller = new Caller(await socket(url));
    await caller.introduce();
    const stream = await media({ audio: true });
    for (const track of caller.connection.addStream(stream)) {
      track.prefer("red");
      caller.describe(track);
    }
    // The tone comes with redundancy; what comes back is the page's own, without.
    const many = (one) => one.kind === "audio" && one.packetsReceived > 300;
    await until(async () => (await caller.connection.stats()).inboundRtp.filter(many).length === 2, "two sounds");
    const { inboundRtp, outboundRtp: [own] } = await caller.connection.stats();
    const [echo, tone] = inboundRtp.filter(({ kind }) => kind === "audio").sort((a, b) => a.bytesReceived - b.bytesReceived);
    for (const video of caller.videos.values()) {
      if (video.srcObject.getAudioTracks().length) await ear(video.srcObject).hears();
    }
    const complaints = caller.events.filter(({ name }) => name === "error");
    if (complaints.length) throw new Error(JSON.stringify(complaints));
    // Rust looks at its statistics when the signalling ends.
    caller.wire.close();
    await pause(500);
    caller.connection.close();
    return { tone, echo, own };
  }, `${rust.ws}/call?audio=red`);
  console.log(JSON.stringify(heard));
  const { tone, echo, own } = heard;
  assert(tone.totalSamplesReceived > 100_000, "little was decoded");
  assert(tone.concealedSamples < tone.totalSamplesReceived / 2, "much of it was made up");
  // Chromium does not count blocks. The page's own sound shows: twice on the way out, once back.
  const size = (bytes, packets) => bytes / packets;
  const [out, back] = [size(own.bytesSent, own.packetsSent), size(echo.bytesReceived, echo.packetsReceived)];
  assert(out > back * 1.6, `${out} bytes a packet out, ${back} back`);
  assert(size(tone.bytesReceived, tone.packetsReceived) > 280, "the tone came without redundancy");
  assert((await rust.ended) === 0 && rust.lines.at(-1) === "OK", rust.lines.join("\n"));
  const again = /(\d+) came again in others/.exec(rust.lines.join("\n"));
  assert(again && Number(again[1]) > 50, rust.lines.join("\n"));
  const described = texts.some((text) => text.includes('"red"') && text.includes('"111/111"') === false && text.includes('"50/50"'));
  assert(described, "the page described no redundancy");
  assertNoSdp(texts);
});
