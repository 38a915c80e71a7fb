// E15 (G.711 of telephones among them): Each codec between a tab and Rust, both ways: what Rust sends, and the tab's own media back.
import { assert, assertNoSdp, capture, run } from "./harness.mjs";

const CALLS = [["vp8", "opus"], ["h264", "ulaw"], ["vp9", "alaw"], ["av1", "g722"]];
const MIME = { ulaw: "pcmu", alaw: "pcma" };

await run("rust_codecs", 180, async (test) => {
  const rust = await test.rust(CALLS.length);
  const page = await test.page();
  const texts = capture(page);
  for (const [video, audio] of CALLS) {
    const pictures = await page.evaluate(
      async ([url, video, audio, mime]) => {
        const caller = new Caller(await socket(url));
        await caller.introduce();
        const stream = await media();
        for (const track of caller.connection.addStream(stream)) {
          track.prefer(track.kind === "video" ? video : audio);
          caller.describe(track);
        }
        const shown = await caller.pictures(2);
        const pictures = [];
        for (const video of shown) pictures.push(await moves(video));
        for (const video of shown) await ear(video.srcObject).hears();
        // What Rust sends and what comes back, in the codec that was asked for.
        for (const [kind, codec] of [["video", video], ["audio", mime]]) {
          await until(async () => {
            const { inboundRtp } = await caller.connection.stats();
            return inboundRtp.filter((one) => one.kind === kind && one.codec?.toLowerCase() === codec).length === 2;
          }, `two tracks in ${codec}`);
        }
        const complaints = caller.events.filter(({ name }) => name === "error");
        if (complaints.length) throw new Error(JSON.stringify(complaints));
        caller.close();
        return pictures;
      },
      [`${rust.ws}/call?video=${video}&audio=${audio}`, video, audio, MIME[audio] ?? audio],
    );
    assert(pictures.every(({ bright }) => bright > 5), JSON.stringify(pictures));
    console.log(`${video} and ${audio}: decoded both ways`);
  }
  assert((await rust.ended) === 0 && rust.lines.at(-1) === "OK", rust.lines.join("\n"));
  assertNoSdp(texts);
});
