// C34, D27, D39: what the page leaves at its server: recordings, pictures and reports, where it takes them.
import { createRequire } from "node:module";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, modules, run, shots } from "./harness.mjs";
import { enterRoom, happens, lobby, seesAll, serve } from "./rooms.mjs";

const axe = createRequire(`${modules}/package.json`)("axe-core");
const API = "0123456789abcdef";

await run("rooms_kept", 120, async (test) => {
  const folder = await mkdtemp(join(tmpdir(), "ortc-kept-"));
  test.cleanup.push(() => rm(folder, { recursive: true, force: true }));
  const [recordings, reports] = [join(folder, "recordings"), join(folder, "reports")];
  const server = await serve(test, "--recordings", recordings, "--recording-mb", "1", "--reports", reports, "--api-token", API, "--token-secret", API + API);
  const base = `${server.url}/`;
  const made = await fetch(`${base}api/tokens`, { method: "POST", headers: { Authorization: `Bearer ${API}`, "Content-Type": "application/json" }, body: JSON.stringify({ room: "kept/one", record: true, userid: "ada" }) }).then((answer) => answer.json());
  // The link of an invitation, as the server makes it.
  const link = new URL(made.link);
  link.hash += "&name=Ada";
  const ada = await lobby(test, link);
  await ada.waitForSelector("#call:not([hidden])");
  assert((await ada.evaluate(() => session.userid)) === "ada", "the invitation's token was not used");
  const grace = await lobby(test, base, ada);
  await enterRoom(grace, { name: "Grace", room: "kept/one" });
  await Promise.all([seesAll(ada, 2), seesAll(grace, 2)]);

  const press = async (page, who, what) => {
    await page.hover(`#tiles .tile:has-text("${who}")`);
    await page.click(`#tiles .tile:has-text("${who}") .${what}`);
  };
  // No text becomes code in a page of this server.
  const line = (page, text) => page.waitForFunction((text) => document.querySelector("#recordings").textContent.includes(text), text, { timeout: 30_000 });
  await press(ada, "Grace", "record");
  await ada.click('[data-open="settings"]');
  await ada.click("#tab-files");
  await happens(ada, () => /being recorded · 0:0[2-9]/.test(document.querySelector("#recordings").textContent), "a recording");
  await ada.click('#recordings button[aria-label="Stop: Grace"]');
  await ada.click('#recordings button[aria-label="To the server: Grace"]');
  await line(ada, "the server has it");
  await press(ada, "Grace", "snap");
  await ada.click('#recordings button[aria-label="To the server: picture of Grace"]');
  await happens(ada, () => document.querySelector("#recordings").textContent.split("the server has it").length === 3, "a picture");
  const mine = { headers: { Authorization: `Bearer ${made.token}` } };
  const listed = await fetch(`${base}recordings`, mine).then((answer) => answer.json());
  const [picture, film] = [...listed.recordings].sort((a, b) => a.type.localeCompare(b.type));
  assert(picture.type === "image/png" && film.type === "video/webm" && film.room === "kept/one" && film.userid === "ada", JSON.stringify(listed));
  const bytes = Buffer.from(await fetch(`${base}recordings/${film.id}`, mine).then((answer) => answer.arrayBuffer()));
  assert(bytes.length === film.bytes && bytes.readUInt32BE(0) === 0x1a45dfa3, `${bytes.length} of ${film.bytes} bytes`);
  assert((await readFile(join(recordings, `${film.id}-${film.name}`))).equals(bytes), "another file in the folder");
  console.log(`a recording of ${bytes.length} bytes is at the server`);

  // D39: a report is what was shown before, no more.
  await ada.evaluate(() => console.warn("from 192.0.2.7:5000 and [2001:db8::7]:1, token=abc, ortc::engine, 12:30:45"));
  await ada.click('[data-open="settings"]');
  await ada.click("#tab-settings");
  await ada.click("#panel-settings [data-help]");
  await ada.fill("#help-text", "Grace is green.");
  await ada.waitForFunction(() => document.querySelector("#help-preview").textContent.includes('"stats"'));
  await ada.click("#help-tiles");
  await ada.waitForSelector("#help-picture img");
  await ada.click("#help summary");
  await ada.screenshot({ path: join(shots, "rooms-help.png") });
  await ada.evaluate(axe.source);
  const { violations } = await ada.evaluate(() => window.axe.run(document.querySelector("#help")));
  assert(!violations.length, JSON.stringify(violations));
  const shown = await ada.textContent("#help-preview");
  assert(shown.includes("from [address]:5000 and [[address]]:1, token=[secret], ortc::engine, 12:30:45"), shown.slice(0, 2000));
  await ada.click("#help-send");
  await happens(ada, () => /The report is with the operator/.test(document.querySelector("#news").textContent), "that it was sent");
  const [file] = await readdir(reports);
  const report = JSON.parse(await readFile(join(reports, file), "utf8"));
  assert(report.text === "Grace is green." && report.room === "kept/one" && report.stats.peers.length === 1 && report.screenshot.startsWith("data:image/"), JSON.stringify(report).slice(0, 2000));
  const addresses = JSON.stringify({ ...report, screenshot: "" }).match(/\b\d+\.\d+\.\d+\.\d+\b/g);
  assert(report.stats.peers[0].stats && !addresses?.some((one) => !/^\d+\.0\.0\.0$/.test(one)), `addresses: ${addresses}`);
  console.log(`a report of ${JSON.stringify(report).length} letters, ${report.logs.length} lines of log`);
  // The browser's screen, asked for; then none of it.
  await ada.click('#news button');
  await ada.click("#panel-settings [data-help]");
  await ada.click("#help-screen");
  await ada.waitForSelector("#help-picture img");
  await ada.click("#help-no-picture");
  assert(await ada.evaluate(() => !document.querySelector("#help-picture img")), "a picture that is not wanted");
  await ada.click("#help-shut");
  await ada.click("#tab-files");

  // D27: what time it is there and roughly where, if that is told; not before.
  await ada.context().grantPermissions(["geolocation", "camera", "microphone"], { origin: server.url });
  await ada.context().setGeolocation({ latitude: 48.1374, longitude: -11.5755 });
  const told = () => grace.evaluate(() => Object.keys(session.rooms[0].users.get("ada").extra).filter((key) => key !== "name").sort().join());
  assert((await told()) === "", await told());
  await ada.click("#tab-settings");
  await ada.check("#tell-time");
  await ada.click("#tell-place");
  await happens(grace, () => session.rooms[0].users.get("ada").extra.place, "a place");
  const extra = await grace.evaluate(() => session.rooms[0].users.get("ada").extra);
  assert(extra.tz === (await ada.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone)) && extra.place.lat === 48.1 && extra.place.lon === -11.6, JSON.stringify(extra));
  await happens(grace, () => /Ada.*\d\d.\d\d.* there · near 48\.1° N, 11\.6° W/.test(document.querySelector("#people").textContent), "the time there");
  await grace.evaluate(() => session.setExtra({ name: "Grace", tz: "Nowhere/<b>", place: { lat: "x", lon: 1e9 } }));
  await happens(ada, () => session.rooms[0].users.get(session.peers[0].userid).extra.tz, "nonsense");
  await ada.uncheck("#tell-time");
  await ada.click("#tell-place");
  await happens(grace, () => !session.rooms[0].users.get("ada").extra.tz && !session.rooms[0].users.get("ada").extra.place, "that it is told no longer");
  await happens(ada, () => !/there|near/.test(document.querySelector("#people").textContent), "nothing of nonsense");
  console.log("time and place");
  await ada.click("#tab-files");

  // Who has no token is not offered it; one that is too large, and a server that is gone, are said in words.
  await press(grace, "Ada", "snap");
  await line(grace, "a picture");
  assert(!(await grace.$('#recordings button:text-is("To the server")')), "offered without a token");
  const refusal = await ada.evaluate(async () => {
    const { leave } = await import("/rooms/page/upload.js");
    return leave("kept/one", "large", new Blob([new Uint8Array(1_100_000)]), () => {}).catch((error) => error.message);
  });
  assert(/it has 1\.\d MB, and the server takes/.test(refusal), refusal);
  await press(ada, "Grace", "snap");
  await server.kill();
  await ada.click('#recordings li:first-child button:text-is("To the server")');
  await line(ada, "not at the server: the connection was lost");
  test.forgive(/ERR_CONNECTION_REFUSED|WebSocket/);
  assert((await readdir(recordings)).length === 4, "more than two recordings");
});
