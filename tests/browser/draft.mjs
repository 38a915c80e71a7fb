// The draft's own example, to the letter (draft_example.js): between two tabs, and with Rust.
import { assert, assertNoSdp, run } from "./harness.mjs";

async function sees(page) {
  await page.waitForFunction(() => {
    const { videoWidth } = remoteView;
    return videoWidth > 0 && remoteView.getVideoPlaybackQuality().totalVideoFrames > 10;
  }, null, { timeout: 10_000 });
}

await run("draft", 120, async (test) => {
  // Rows A117 and A118: one side starts, the other is woken by its first message.
  const caller = await test.page(`${test.url}/test/draft.html`);
  const callee = await test.beside(caller, `${test.url}/test/draft.html`);
  for (const page of [caller, callee]) await page.waitForFunction(() => window.ready);
  await caller.evaluate(() => start());
  for (const page of [caller, callee]) {
    await sees(page);
    const [state, wire] = await page.evaluate(() => [conn.state, window.wire]);
    assert(state === "connected", state);
    const first = JSON.parse(wire[0]);
    assert(Object.keys(first.iceInfo).join() === "usernameFrag,password", wire[0]);
    assertNoSdp(wire);
  }
  await caller.context().close();

  const rust = await test.rust(1);
  const page = await test.page(`${test.url}/test/draft.html?ws=${rust.ws}/call`);
  await sees(page);
  await page.evaluate(() => conn.close());
  assert((await rust.ended) === 0 && rust.lines.at(-1) === "OK", rust.lines.join("\n"));
});
