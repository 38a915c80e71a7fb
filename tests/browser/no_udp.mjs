// No UDP of the browser's gets out: audio, video and data with Rust by ICE over TCP, and by relays over TCP and TLS.
// In a network of its own, of loopback alone, since it drops packets there.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, chromiumProgram, launchChromium, pause, run } from "./harness.mjs";

const GROUP = 61_234; // Of the browser, and of nobody else.
const [TURN, TURNS] = [3478, 5349];
const folder = mkdtempSync(join(tmpdir(), "ortc-no-udp-"));

const links = execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).trim().split("\n");
assert(links.length === 1, `this is no network of its own: ${links}`);
execFileSync("nft", ["-f", "-"], { input: `table inet blocked {
  chain out { type filter hook output priority 0; meta skgid ${GROUP} meta l4proto udp drop; }
}` });

/** Chromium in the group. */
function launch(cleanup) {
  const program = join(folder, "chromium");
  writeFileSync(program, `#!/bin/sh\nexec setpriv --regid=${GROUP} --clear-groups "${chromiumProgram}" "$@"\n`, { mode: 0o755 });
  return launchChromium(cleanup, program, ["--ignore-certificate-errors"]);
}

async function startTurn(cleanup) {
  const [pem, key] = [join(folder, "pem"), join(folder, "key")];
  const options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", ["req", "-x509", ...options, "-out", pem, "-keyout", key], { stdio: "ignore" });
  const child = spawn(process.env.ORTC_TURNSERVER ?? "turnserver", [
    "-n", "--no-cli", "--no-dtls", "--lt-cred-mech", "--realm=example.org", "--user=user:pass", "--allow-loopback-peers",
    "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", `--listening-port=${TURN}`, `--tls-listening-port=${TURNS}`,
    `--cert=${pem}`, `--pkey=${key}`, `--pidfile=${join(folder, "pid")}`, `--userdb=${join(folder, "db")}`, "--no-stdout-log", `--log-file=${join(folder, "log")}`,
  ], { stdio: "ignore" });
  cleanup.push(() => child.kill("SIGKILL"));
  const listens = () => new Promise((resolve) => {
    const socket = connect(TURNS, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false)).on("close", () => {});
    setTimeout(() => socket.destroy(), 500);
  });
  for (const end = Date.now() + 10_000; !(await listens()); await pause(50)) assert(Date.now() < end, "no TURN server");
}

await run("no_udp", 100, async (test) => {
  test.cleanup.push(() => rmSync(folder, { recursive: true, force: true }));
  await startTurn(test.cleanup);
  const rust = await test.rust(3);
  const page = await test.page();
  const server = (url) => ({ iceServers: [{ urls: url, url, username: "user", credential: "pass" }] });
  const ways = [
    ["ICE over TCP", `${rust.ws}/call?tcp`, {}, /^tcp (host|prflx)/],
    ["TURN over TCP", `${rust.ws}/call`, server(`turn:127.0.0.1:${TURN}?transport=tcp`), /^relay tcp/],
    ["TURN over TLS", `${rust.ws}/call`, server(`turns:localhost:${TURNS}?transport=tcp`), /^relay tls/],
  ];
  for (const [name, url, options, expected] of ways) {
    const begin = Date.now();
    const path = await page.evaluate(async ([url, options]) => {
      window.stream ??= await media();
      const caller = new Caller(await socket(url), options);
      caller.introduce();
      caller.add(stream);
      // The clock from Rust, and the camera back from it: both ways.
      const videos = await caller.pictures(2);
      for (const video of videos) await moves(video);
      for (const video of videos) await ear(video.srcObject).hears();
      const channel = caller.connection.createDataChannel("talk");
      await until(() => channel.readyState === "open", "an open channel");
      const answer = new Promise((resolve) => { channel.onmessage = ({ data }) => resolve(data); });
      channel.send("by another way");
      if (await answer !== "You said: by another way") throw new Error("another answer");
      const report = [...(await caller.connection.getStats()).values()];
      const transport = report.find(({ type }) => type === "transport");
      const of = (id) => report.find((one) => one.id === id);
      const pair = of(transport.selectedCandidatePairId);
      const local = of(pair.localCandidateId);
      caller.close();
      return `${local.candidateType === "relay" ? `relay ${local.relayProtocol}` : `${local.protocol} ${local.candidateType}`} (${local.protocol})`;
    }, [url, options]);
    console.log(`${name}: ${path}, ${((Date.now() - begin) / 1000).toFixed(1)} s`);
    assert(expected.test(path), `${name}: ${path}`);
  }
  assert((await rust.ended) === 0 && rust.lines.at(-1) === "OK", rust.lines.join("\n"));
  console.log(rust.lines.join("\n"));
}, launch);
