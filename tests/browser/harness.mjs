// What the browser tests share: a browser, a server for the page under test, what crosses the wire.
import { spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
export const modules = process.env.ORTC_PLAYWRIGHT_DIR ?? join(root, "target/peers");
export const { chromium } = createRequire(join(modules, "package.json"))("playwright-core");
export const shots = join(root, "target/browser");

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--auto-select-desktop-capture-source=Entire screen",
  "--allow-loopback-in-peer-connection",
];

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function assert(truth, message) {
  if (!truth) throw new Error(message);
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Session descriptions never cross: row A2, and the promise of web/ortc.js. */
export function assertNoSdp(texts) {
  assert(texts.length > 0, "nothing was captured");
  for (const text of texts) {
    for (const line of text.split(/\\r\\n|\\n|\n|"/)) {
      assert(!/^(v=0|m=|a=)/.test(line), `a session description crossed: ${text}`);
    }
    assert(!/v=0|\bm=(audio|video|application)|\ba=[a-z-]+:/.test(text), `a session description crossed: ${text}`);
  }
}

const TYPES = { js: "text/javascript", mjs: "text/javascript", css: "text/css", html: "text/html", ts: "text/plain" };

/** Serves web/ at /, and the tests' own pages at /test/. */
async function serve() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    const file = path.startsWith("/test/") ? join(here, path.slice(6)) : join(root, "web", path === "/" ? "index.html" : path);
    try {
      const body = await readFile(file);
      response.setHeader("content-type", TYPES[file.split(".").pop()] ?? "application/octet-stream");
      response.end(body);
    } catch {
      response.statusCode = path === "/favicon.ico" ? 204 : 404;
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://localhost:${server.address().port}` };
}

/** The README's module, as it is printed there. */
export async function readmeModule() {
  const [, ...modules] = (await readFile(join(root, "README.md"), "utf8")).split("```js\n");
  assert(modules.length === 1, `README.md has ${modules.length} modules`);
  return modules[0].split("```")[0];
}

/** server/examples/browser_call, as cargo built it. */
async function startRust(cleanup, calls, listen = "127.0.0.1:0") {
  const program = process.env.ORTC_BROWSER_CALL ?? join(root, "target/debug/examples/browser_call");
  const more = calls ? ["--calls", String(calls)] : [];
  const child = spawn(program, ["--listen", listen, ...more], { stdio: ["ignore", "pipe", "inherit"] });
  cleanup.push(() => child.kill());
  const lines = [];
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    child.once("error", reject);
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const found = /^open (http:\S+?)\/$/.exec(line);
      if (found) resolve(found[1]);
    });
    ended.then((code) => reject(new Error(`browser_call ended with ${code}`)));
  });
  const kill = () => {
    child.kill("SIGKILL");
    return ended;
  };
  return { url, lines, ended, kill, signal: (name) => child.kill(name), ws: url.replace(/^http/, "ws") };
}

export const chromiumProgram = process.env.ORTC_CHROMIUM ?? "/usr/bin/chromium";

export async function launchChromium(cleanup, executablePath = chromiumProgram, more = []) {
  // It crashes at its start now and then, before anything of ours runs in it.
  for (let left = 2; ; left -= 1) {
    try {
      const browser = await chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...more] });
      cleanup.push(() => browser.close());
      return browser;
    } catch (error) {
      if (!left) throw error;
      console.error(`once more, since it did not start: ${error.message.split("\n")[0]}`);
    }
  }
}

/** Runs one test with all that it needs, and leaves nothing behind. */
export async function run(name, limitSeconds, body, launch = launchChromium) {
  const cleanup = [];
  const finish = async (error) => {
    clearTimeout(limit);
    if (error) console.error(`${name}: ${error.stack ?? error}`);
    for (const one of cleanup.reverse()) await Promise.race([Promise.resolve(one()).catch(() => {}), pause(3000)]);
    process.exit(error ? 1 : 0);
  };
  const limit = setTimeout(() => finish(new Error(`not done after ${limitSeconds} s`)), limitSeconds * 1000);
  try {
    await mkdir(shots, { recursive: true });
    const { server, url } = await serve();
    cleanup.push(() => server.close());
    const browser = await launch(cleanup);
    const errors = [];
    const test = {
      cleanup,
      url,
      browser,
      name,
      errors,
      /** Complaints that belong to what the test does. */
      forgive: (pattern) => errors.splice(0, errors.length, ...errors.filter((text) => !pattern.test(text))),
      rust: (calls, listen) => startRust(cleanup, calls, listen),
      /** A page, by itself the empty one of the tests; what it complains about fails the test. */
      async page(address = `${url}/test/page.html`, options = {}) {
        const context = await browser.newContext({ permissions: ["camera", "microphone"], ...options });
        const page = await context.newPage();
        watch(page, errors);
        await page.goto(address);
        if (address.endsWith("/test/page.html")) await page.waitForFunction(() => window.ready);
        return page;
      },
      /** Another tab beside a page, which it can reach by BroadcastChannel. */
      async beside(page, address = `${url}/test/page.html`) {
        const other = await page.context().newPage();
        watch(other, errors);
        await other.goto(address);
        if (address.endsWith("/test/page.html")) await other.waitForFunction(() => window.ready);
        return other;
      },
    };
    await body(test);
    assert(!errors.length, `the page complains: ${errors.join("\n")}`);
    await finish();
  } catch (error) {
    await finish(error);
  }
}

function watch(page, errors) {
  page.on("pageerror", (error) => errors.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
    else if (process.env.ORTC_VERBOSE) console.log(`# ${message.text()}`);
  });
}

/** On the demo page: until so many tiles show a picture that moves. */
export async function pictures(page, count) {
  const look = (count) => {
    const tiles = [...document.querySelectorAll("#tiles .tile")];
    const seen = tiles.map((tile) => {
      const video = tile.querySelector("video");
      const frames = video.getVideoPlaybackQuality().totalVideoFrames;
      video.first ??= frames;
      return { name: tile.querySelector(".name").textContent, picture: tile.matches(".picture"), frames: frames - video.first, paused: video.paused, width: video.videoWidth };
    });
    const shown = seen.filter(({ picture }) => picture);
    const done = shown.length >= count && shown.every(({ frames }) => frames > 3);
    if (done) for (const tile of tiles) delete tile.querySelector("video").first;
    return { done, seen, status: document.querySelector("#status").textContent };
  };
  for (const end = Date.now() + 30_000; ; await pause(50)) {
    const found = await page.evaluate(look, count);
    if (found.done) return;
    assert(Date.now() < end, `not ${count} pictures: ${JSON.stringify(found)}`);
  }
}

/** Everything that crosses the WebSockets of a page, as the browser itself sees it. */
export function capture(page) {
  const texts = [];
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => texts.push(String(payload)));
    socket.on("framereceived", ({ payload }) => texts.push(String(payload)));
  });
  return texts;
}
