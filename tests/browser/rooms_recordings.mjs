// C14, C33, C97, D29, D31, D32: a page records each person, its own screen and pictures of what it sees; all in the room are told.
import { readFile } from "node:fs/promises";
import { assert, run } from "./harness.mjs";
import { enterRoom, happens, lobby, seesAll } from "./rooms.mjs";

await run("rooms_recordings", 120, async (test) => {
  const base = `${test.url}/rooms/index.html`;
  const ada = await lobby(test, base);
  await enterRoom(ada, { name: "Ada", room: "records" });
  const grace = await lobby(test, `${base}#records?name=Grace`, ada);
  await Promise.all([seesAll(ada, 2), seesAll(grace, 2)]);
  const press = async (what) => {
    await ada.hover('#tiles .tile:has-text("Grace")');
    await ada.click(`#tiles .tile:has-text("Grace") .${what}`);
  };
  const line = (text) => happens(ada, `document.querySelector("#recordings").textContent.includes(${JSON.stringify(text)})`, text);

  // D31: another's sound and picture; who is recorded knows it, and who comes later as well.
  await press("record");
  await happens(grace, () => document.querySelector("#recorded").textContent === "recorded by Ada", "that she is recorded");
  const emmy = await lobby(test, `${base}#records?name=Emmy`, ada);
  await happens(emmy, () => document.querySelector("#recorded").textContent === "recorded by Ada", "that the late one knows");
  await emmy.close();
  await ada.click('[data-open="settings"]');
  await ada.click("#tab-files");
  await happens(ada, () => /being recorded · 0:0[2-9].*kB/.test(document.querySelector("#recordings").textContent), "time and size");
  await ada.click('#recordings button[aria-label="Stop: Grace"]');
  await line("recorded · 0:0");
  await happens(grace, () => document.querySelector("#recorded").hidden, "that it is over");
  await ada.click('#recordings button[aria-label="View: Grace"]');
  await ada.waitForFunction(() => document.querySelector("#viewer video")?.videoWidth > 0 && document.querySelector("#viewer video").currentTime > 0.3);
  await ada.click("#viewer-shut");
  const saved = async (button) => {
    const [download] = await Promise.all([ada.waitForEvent("download"), ada.click(`#recordings button[aria-label="${button}"]`)]);
    return [download.suggestedFilename(), await readFile(await download.path())];
  };
  const [name, film] = await saved("Save: Grace");
  assert(/^Grace .*\.webm$/.test(name) && film.length > 5000 && film.readUInt32BE(0) === 0x1a45dfa3, `${name}, ${film.length} bytes`);
  console.log(`a person recorded: ${film.length} bytes`);

  // D32: a picture in its own size.
  await press("snap");
  await line("a picture · ");
  const [still, png] = await saved("Save: picture of Grace");
  assert(still.endsWith(".png") && png.toString("latin1", 1, 4) === "PNG", still);
  const [width, height] = await ada.evaluate(() => [...document.querySelectorAll("#tiles .tile:not(.own) video")].map((one) => [one.videoWidth, one.videoHeight])[0]);
  assert(width > 100 && Math.abs(png.readUInt32BE(16) / png.readUInt32BE(20) - width / height) < 0.05, `${png.readUInt32BE(16)}×${png.readUInt32BE(20)}`);

  // D29: a screen that nobody else sees.
  await ada.click("#record-screen");
  await line("Screen");
  await happens(ada, () => /Screen.*being recorded · 0:0[1-9]/.test(document.querySelector("#recordings").textContent), "a screen");
  assert(await grace.evaluate(() => document.querySelector("#stage").hidden), "others see the screen");
  await ada.click('#recordings button[aria-label="Stop: Screen"]');
  await happens(ada, () => !/being recorded/.test(document.querySelector("#recordings").textContent), "the end");

  // C33: by the session; one kind alone; what it is.
  const told = await ada.evaluate(async () => {
    const [stream] = session.peers[0].streams;
    stream.startRecording({ audio: true });
    let twice = null;
    try {
      session.streams.get(stream.id).startRecording();
    } catch (error) {
      twice = error.code;
    }
    await new Promise((resolve) => setTimeout(resolve, 1200));
    let given = null;
    const { blob, recordingType, duration } = await stream.stopRecording((blob) => { given = blob; });
    return { same: given === blob, type: blob.type, recordingType, duration, size: blob.size, twice, over: stream.recording };
  });
  assert(told.same && told.recordingType === "audio/webm" && told.type === "audio/webm" && told.duration > 1 && told.size > 500 && told.twice === "busy" && told.over === null, JSON.stringify(told));
  console.log("pictures, screens, one kind alone");
});
