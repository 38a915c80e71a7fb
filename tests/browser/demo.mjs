// The demo page as a person uses it, on a desktop and on a phone; screenshots in target/browser/.
import { join } from "node:path";
import { assert, assertNoSdp, capture, pictures, run, shots } from "./harness.mjs";

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

const shot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`) });

await run("demo", 180, async (test) => {
  const rust = await test.rust();

  for (const [name, viewport] of Object.entries(SIZES)) {
    const page = await test.page(`${rust.url}/`, { viewport, deviceScaleFactor: name === "phone" ? 2 : 1, permissions: ["camera", "microphone"] });
    const texts = capture(page);
    await page.waitForSelector("html[data-ready] .preview .tile.live");
    await page.waitForTimeout(400);
    await shot(page, `lobby-${name}`);

    await page.click("#call-rust");
    await pictures(page, 3);
    await page.waitForFunction(() => /^connected/.test(document.querySelector("#status span").textContent));
    // Written anew each second; the first ones know of less.
    await page.waitForFunction(() => {
      const facts = document.querySelector("#tiles .facts");
      const found = Object.fromEntries([...(facts?.querySelectorAll("div") ?? [])].map((row) => [row.children[0].textContent, row.children[1].textContent]));
      const wanted = { codec: /VP8 \+ OPUS/i, size: /640×360/, loss: /%/, path: /→/, rate: /b\/s/ };
      return Object.entries(wanted).every(([name, form]) => form.test(found[name]));
    }, null, { timeout: 20000 });
    await page.waitForTimeout(2500); // For the sparklines.
    await shot(page, `call-${name}`);

    // No page is wider than its window.
    assert((await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)), `${name} scrolls sideways`);

    // Dial: the Rust side hears it.
    await page.click('[data-open="keypad"]');
    for (const digit of ["1", "5", "#"]) await page.click(`.keys button:text-is("${digit}")`);
    await page.waitForFunction(() => document.querySelectorAll("#messages .note").length >= 3, null, { timeout: 20000 });
    await shot(page, `keypad-${name}`);

    // Chat with Rust.
    await page.click('[data-tab="chat"]');
    await page.fill("#say input", "Good morning");
    await page.press("#say input", "Enter");
    await page.waitForFunction(() => document.querySelector("#messages").textContent.includes("You said: Good morning"), null, { timeout: 20000 });

    // The wires: each message is there, none is SDP.
    await page.click('[data-tab="wires"]');
    await page.click("#crossing .in summary >> nth=1");
    const proof = await page.textContent("#proof");
    assert(/Not one line of SDP/.test(proof), proof);
    await shot(page, `wires-${name}`);
    await page.click("#shut");

    // Mute shows.
    await page.click("#mute-camera");
    assert((await page.getAttribute("#mute-camera", "aria-pressed")) === "true", "mute does not show");
    await page.click("#mute-camera");

    await page.click("#hang-up");
    await page.waitForSelector("#lobby:not([hidden])");
    assertNoSdp(texts);
    await page.context().close();
  }

  // By a link: two pages in a room.
  const host = await test.page(`${rust.url}/`, { viewport: SIZES.desktop });
  const texts = capture(host);
  await host.waitForSelector("html[data-ready]");
  await host.click("#call-link");
  const link = await host.inputValue("#invite input");
  const guest = await test.beside(host, link);
  for (const page of [host, guest]) await pictures(page, 2);
  await host.click('[data-open="chat"]');
  await host.fill("#say input", "Can you see me?");
  await host.press("#say input", "Enter");
  await guest.waitForFunction(() => document.querySelector("#messages")?.textContent.includes("Can you see me?"), null, { timeout: 20000 });
  await guest.click('[data-open="chat"]');
  await guest.fill("#say input", "Yes, and not one line of SDP.");
  await guest.press("#say input", "Enter");
  await host.waitForFunction(() => document.querySelector("#messages").textContent.includes("not one line"), null, { timeout: 20000 });
  await shot(host, "chat-desktop");
  // The guest leaves and comes back.
  await guest.close();
  await host.waitForFunction(() => document.querySelectorAll("#tiles .tile").length === 1, null, { timeout: 20000 });
  const again = await test.beside(host, link);
  for (const page of [host, again]) await pictures(page, 2);
  assertNoSdp(texts);
  await host.context().close();

  // Another tab, without a server.
  const first = await test.page(`${test.url}/`, { viewport: SIZES.desktop });
  await first.waitForSelector("html[data-ready]");
  const [second] = await Promise.all([first.context().waitForEvent("page"), first.click("#call-tab")]);
  for (const page of [first, second]) await pictures(page, 2);
  await first.context().close();

  // Each way in which a browser refuses camera and microphone has a sentence and a way out.
  const page = await test.page(`${rust.url}/`, { viewport: SIZES.phone });
  await page.waitForSelector("html[data-ready]");
  const sentences = new Set();
  for (const error of ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "SecurityError", "AbortError", "TypeError", "UnheardOfError"]) {
    await page.evaluate((name) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(Object.assign(new Error(""), { name }));
    }, error);
    if (sentences.size) await page.click("#try-again");
    else for (const box of ["#use-mic", "#use-camera"]) await page.uncheck(box).then(() => page.check(box));
    await page.waitForFunction((seen) => !seen.includes(document.querySelector("#trouble b").textContent) && !document.querySelector("#trouble").hidden, [...sentences]);
    sentences.add(await page.textContent("#trouble b"));
    if (error === "NotAllowedError") await shot(page, "trouble-phone");
  }
  assert(sentences.size === 8, [...sentences].join("\n"));
  await page.click("#go-without");
  await page.click("#call-rust");
  await page.waitForFunction(() => document.querySelectorAll("#tiles .tile.picture").length >= 1, null, { timeout: 20000 });
  await page.waitForFunction(() => /^connected/.test(document.querySelector("#status span").textContent));
  await page.context().close();
});
