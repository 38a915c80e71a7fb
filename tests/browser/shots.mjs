// Screenshots of the page for a note: lobby, call and open drawer, on a desktop and on a phone upright and across.
// node tests/browser/shots.mjs [folder]; without one they go to target/browser.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pictures, run, shots } from "./harness.mjs";

const folder = process.argv[2] ?? shots;
const SIZES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  landscape: { viewport: { width: 844, height: 390 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

await run("shots", 180, async (test) => {
  await mkdir(folder, { recursive: true });
  const rust = await test.rust();
  for (const [size, options] of Object.entries(SIZES)) {
    const page = await test.page(`${rust.url}/`, options);
    const shot = async (name) => {
      await page.waitForTimeout(500); // What moves has arrived.
      const path = join(folder, `${name}-${size}.png`);
      await page.screenshot({ path });
      console.log(path);
    };
    await page.waitForSelector("html[data-ready] .preview .tile.live");
    await shot("lobby");
    await page.click("#call-rust");
    await pictures(page, 3);
    await page.waitForTimeout(3000); // The curves have some length.
    await shot("call");
    await page.click('[data-open="chat"]');
    await page.fill("#say input", "Good morning");
    await page.press("#say input", "Enter");
    await page.waitForFunction(() => document.querySelector("#messages").textContent.includes("You said"));
    await shot("chat");
    await page.click('[data-tab="keypad"]');
    await page.click('.keys button:text-is("5")');
    await page.waitForFunction(() => document.querySelector("#messages").textContent.includes("digit 5"));
    await shot("keypad");
    await page.click('[data-tab="wires"]');
    await shot("wires");
    await page.context().close();
  }
});
