// Chromium as a line peer; the protocol is described in README.md beside this file.
//
//   node browser_line.mjs controlling|controlled [--seconds N] [--dtmf DIGITS]
//
// ORTC_CHROMIUM: the browser, default /usr/bin/chromium.
// ORTC_PLAYWRIGHT_DIR: the directory whose node_modules has playwright-core, default target/peers.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.ORTC_PLAYWRIGHT_DIR ?? join(here, "../../target/peers");
const { chromium } = createRequire(join(modules, "package.json"))("playwright-core");

const LINGER_MS = 60_000;
const LIMIT_MS = 180_000;
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--allow-loopback-in-peer-connection",
  "--autoplay-policy=no-user-gesture-required",
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "5" }, dtmf: { type: "string", default: "" } },
});
const [role] = positionals;
const seconds = Number(values.seconds);
if (!["controlling", "controlled"].includes(role) || !(seconds > 0)) {
  console.error("usage: browser_line.mjs controlling|controlled [--seconds N] [--dtmf DIGITS]");
  process.exit(2);
}

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const input = createInterface({ input: process.stdin });
const hungUp = new Promise((resolve) => input.once("close", resolve));
const otherLine = new Promise((resolve, reject) => {
  input.once("line", (line) => {
    try {
      resolve(JSON.parse(line));
    } catch (error) {
      reject(error);
    }
  });
  hungUp.then(() => reject(new Error("no line from the other peer")));
});
otherLine.catch(() => {});
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref());

// getUserMedia wants a secure context, which localhost is.
async function serve() {
  const script = await readFile(join(here, "browser_page.js"), "utf8");
  const page = `<!doctype html><meta charset="utf-8"><title>line peer</title><script>${script}</script>`;
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(page));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function run(browser, server) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error("page:", error.message));
  await page.goto(`http://localhost:${server.address().port}/`);
  if (role === "controlling") {
    const line = await page.evaluate(() => startControlling());
    say(line);
    const other = await otherLine;
    await page.evaluate(([l, audio]) => finishControlling(l, audio), [other, line.rtp.audio]);
  } else {
    const other = await otherLine;
    say(await page.evaluate((l) => answerControlled(l), other));
  }
  const result = await page.evaluate(([s, digits]) => result(s, digits), [seconds, values.dtmf]);
  say({ impl: `chromium ${browser.version()}`, role, ...result });
  // Stay until the reader hangs up, so that the other side counts undisturbed.
  await Promise.race([hungUp, pause(LINGER_MS)]);
}

let browser;
const limit = setTimeout(() => leave(new Error("time limit")), LIMIT_MS + seconds * 1000);

async function leave(error) {
  clearTimeout(limit);
  if (error) say({ impl: "chromium", role, error: String(error).slice(0, 1000) });
  await Promise.race([browser?.close(), pause(3000)]);
  process.exit(error ? 1 : 0);
}

try {
  const server = await serve();
  browser = await chromium.launch({
    executablePath: process.env.ORTC_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
  });
  await run(browser, server);
  await leave();
} catch (error) {
  await leave(error);
}
