// Twenty calls one after the other, tab to Rust; each from the click to the first decoded frame.
import { assert, assertNoSdp, capture, median, run } from "./harness.mjs";

const CALLS = 20;
const LIMIT_MS = 500;

await run("reconnects", 200, async (test) => {
  const rust = await test.rust(CALLS);
  const page = await test.page();
  const texts = capture(page);
  await page.evaluate(async () => { 
    window.stream = await media();
    window.roles = new Set();
  });
  const times = [];
  for (let call = 0; call < CALLS; call++) {
    times.push(
      await page.evaluate(async (url) => {
        const click = performance.now();
        const caller = new Caller(await socket(url));
        caller.introduce();
        caller.add(stream);
        // Asked for before anything is agreed: its id depends on the DTLS role, which is by chance.
        const early = caller.connection.createDataChannel("early");
        const said = new Promise((resolve) => { early.onmessage = ({ data }) => resolve(data); });
        early.onopen = () => early.send("good morning");
        const look = () => caller.firstFrame.size && Math.min(...caller.firstFrame.values());
        const first = await until(look, "a frame").catch(async (error) => {
          throw new Error(`${error.message}: ${await caller.report()}`);
        });
        const time = caller.begin + first - click;
        // The camera comes back as well.
        for (const video of await caller.pictures(2)) await moves(video);
        const answer = await Promise.race([said, pause(15000)]);
        if (answer !== "You said: good morning" || !(await until(() => caller.data?.readyState === "open", "Rust's channel"))) {
          throw new Error(`${answer}, channels ${early.id} and ${caller.data?.id}`);
        }
        roles.add((await caller.connection.stats()).transport.dtlsRole);
        const complaints = caller.events.filter(({ name }) => name === "error");
        if (complaints.length) throw new Error(JSON.stringify(complaints));
        caller.close();
        await pause(300); // The next connection is prepared.
        return time;
      }, `${rust.ws}/call`),
    );
  }
  assert((await page.evaluate(() => roles.size)) === 2, "one DTLS role only");
  const ms = times.map(Math.round);
  console.log(`click to first decoded frame, ${CALLS} calls: median ${median(ms)} ms, all ${ms.sort((a, b) => a - b).join(" ")}`);
  assert((await rust.ended) === 0 && rust.lines.at(-1) === "OK", rust.lines.join("\n"));
  assert(median(ms) < LIMIT_MS, `median ${median(ms)} ms`);
  assertNoSdp(texts);
});
