// The README's module, as printed, in a page that is nothing but it; behind a proxy with a certificate, as the README has it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertNoSdp, capture, pictures, readmeModule, run } from "./harness.mjs";

/** Like any proxy: `pages` by itself, all else from `upstream`, WebSockets too. */
async function proxy(cleanup, upstream, pages) {
  const folder = mkdtempSync(join(tmpdir(), "ortc-readme-"));
  cleanup.push(() => rmSync(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", cert,
  ], { stdio: "ignore" });
  const { hostname, port } = new URL(upstream);
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (asked, answer) => {
    const own = pages[asked.url];
    if (own) return answer.setHeader("content-type", own[0]).end(own[1]);
    asked.pipe(request({ hostname, port, path: asked.url, method: asked.method, headers: asked.headers }, (came) => {
      answer.writeHead(came.statusCode, came.headers);
      came.pipe(answer);
    }));
  });
  server.on("upgrade", (asked, socket, head) => {
    const there = connect(port, hostname, () => {
      const headers = asked.rawHeaders.reduce((text, one, at) => text + one + (at % 2 ? "\r\n" : ": "), "");
      there.write(`GET ${asked.url} HTTP/1.1\r\n${headers}\r\n`);
      there.write(head);
      socket.pipe(there).pipe(socket);
    });
    for (const [one, other] of [[socket, there], [there, socket]]) one.on("error", () => other.destroy()).on("close", () => other.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup.push(() => server.close());
  return `https://localhost:${server.address().port}`;
}

await run("readme", 100, async (test) => {
  const rust = await test.rust(2);
  const url = await proxy(test.cleanup, rust.url, {
    "/readme": ["text/html", '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="readme.js"></script>'],
    "/readme.js": ["text/javascript", await readmeModule()],
  });
  const page = await test.page("about:blank", { ignoreHTTPSErrors: true });
  const texts = capture(page);
  await page.goto(`${url}/readme`);

  // The clock, and the camera back.
  await page.waitForFunction(() => {
    const videos = [...document.querySelectorAll("video")];
    const frames = (video) => video.getVideoPlaybackQuality().totalVideoFrames;
    return videos.length === 2 && videos.every((video) => video.videoWidth > 0 && frames(video) > 10);
  }, null, { timeout: 30_000 });
  // Each of these crossed, both ways.
  for (const member of ["iceInfo", "candidate", "track"]) {
    assert(texts.filter((text) => text.startsWith(`{"${member}":`)).length > 1, `no ${member} crossed`);
  }
  assertNoSdp(texts);

  // The demo page behind the same proxy.
  await page.goto(`${url}/`);
  await page.click("#call-rust");
  await pictures(page, 3);
  await page.context().close();
  assert((await rust.ended) === 0 && rust.lines.at(-1) === "OK", rust.lines.join("\n"));
});
