// Screenshots of the page of rooms for a note: lobby, room, drawer, on a desktop and on a phone, light and dark.
// node tests/browser/rooms_shots.mjs [folder]; without one they go to target/browser.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run, shots } from "./harness.mjs";
import { enterRoom, happens, lobby, said, seesAll, serve } from "./rooms.mjs";

const folder = process.argv[2] ?? shots;
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** Pictures that can be told apart: each page has a colour and a shape of its own in the place of the camera. */
function camera(hue) {
  const { mediaDevices } = navigator;
  const ask = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (wanted) => {
    const stream = wanted.audio ? await ask({ audio: true }) : new MediaStream();
    if (wanted.video) {
      const canvas = Object.assign(document.createElement("canvas"), { width: 960, height: 720 });
      const context = canvas.getContext("2d");
      const draw = () => {
        const at = performance.now() / 1600;
        const ground = context.createLinearGradient(0, 0, 960, 720);
        ground.addColorStop(0, `hsl(${hue} 45% 32%)`);
        ground.addColorStop(1, `hsl(${hue + 50} 55% 18%)`);
        context.fillStyle = ground;
        context.fillRect(0, 0, 960, 720);
        context.fillStyle = `hsl(${hue + 20} 60% 68%)`;
        context.beginPath();
        context.arc(480 + 12 * Math.sin(at), 300, 120, 0, 7);
        context.fill();
        context.beginPath();
        context.ellipse(480 + 8 * Math.sin(at), 720, 260, 270, 0, 0, 7);
        context.fill();
      };
      draw();
      setInterval(draw, 66);
      for (const track of canvas.captureStream(15).getTracks()) stream.addTrack(track);
    }
    return stream;
  };
}

/** Files: two that came, one on its way, an offer, a picture that is looked at; a code. */
async function files(open) {
  const [ada, grace] = [await open(210, ""), await open(20, "")];
  for (const [page, name] of [[ada, "Ada"], [grace, "Grace"]]) {
    for (const box of ["#use-camera", "#use-mic"]) await page.uncheck(box);
    await enterRoom(page, { name, room: "pictures" });
  }
  await happens(grace, () => session.peers.length === 1 && session.peers[0].talk.open, "a channel");
  await grace.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1200, height: 800 });
    const context = canvas.getContext("2d");
    for (const [at, hue] of [205, 30, 150, 280].entries()) {
      context.fillStyle = `hsl(${hue} 55% ${60 - at * 9}%)`;
      context.fillRect(0, at * 200, 1200, 200);
    }
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg"));
    const send = (...names) => session.sendFiles(names.map(([name, blob]) => ({ path: name.split("/"), file: new File([blob], name) })));
    send(["holiday/lake.jpg", picture], ["holiday/notes.txt", new Blob(["Bring boots."])]);
    send(["talk.webm", new Blob([new Uint8Array(30_000_000)])]);
    send(["minutes.pdf", new Blob(["%PDF-"])]);
  });
  await ada.click('.offer:has-text("holiday") button.main');
  await happens(ada, () => /received and checked/.test(document.querySelector("#files").textContent), "files");
  await ada.evaluate(() => session.addEventListener("fileProgress", ({ transfer }) => transfer.title === "talk.webm" && transfer.bytes > 9_000_000 && (window.stopped ||= (transfer.pause(), true))));
  await ada.click('.offer:has-text("talk.webm") button.main');
  await happens(ada, () => /paused/.test(document.querySelector("#files").textContent), "a pause", 90_000);
  for (const [size, colorScheme] of [["desktop", "light"], ["phone", "dark"]]) {
    const shot = async (page, name) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(SIZES[size]);
      await page.waitForTimeout(600);
      const path = join(folder, `rooms-${name}-${size}-${colorScheme}.png`);
      await page.screenshot({ path });
      console.log(path);
    };
    await shot(ada, "files");
    await ada.click('button[aria-label="View: holiday/lake.jpg"]');
    await shot(ada, "viewer");
    await ada.click("#viewer-shut");
  }
  await grace.click("#hang-up");
  await grace.click("#send-by-code");
  await grace.waitForSelector("#code-card:not([hidden])");
  await grace.screenshot({ path: join(folder, "rooms-code-desktop-light.png") });
  for (const page of [ada, grace]) await page.close();
}

await run("rooms_shots", 400, async (test) => {
  await mkdir(folder, { recursive: true });
  const server = await serve(test);
  const open = async (hue, address) => {
    const context = await test.browser.newContext({ permissions: ["camera", "microphone"], viewport: SIZES.desktop, deviceScaleFactor: 1 });
    test.cleanup.push(() => context.close());
    await context.addInitScript(camera, hue);
    const page = await context.newPage();
    await page.goto(`${server.url}/?debug${address}`);
    await page.waitForSelector("html[data-ready]");
    return page;
  };
  await files(open);
  const ada = await open(210, "");
  await enterRoom(ada, { name: "Ada", room: "weekly" });
  const others = [];
  for (const [hue, name] of [[20, "Grace"], [130, "Emmy"], [280, "Alan"]]) others.push(await open(hue, `#weekly?name=${name}`));
  const [grace, emmy] = others;
  for (const page of [ada, grace]) await seesAll(page, 4);
  const looking = await open(330, "#weekly");
  await looking.fill("#name", "Sophie");
  await looking.waitForSelector("#rooms li");
  await looking.waitForSelector(".preview .tile.live");
  await emmy.click("#raise");
  await grace.click("#mute-mic");
  await grace.click('[data-open="chat"]');
  await grace.fill("#say input", "Shall we begin?");
  await grace.press("#say input", "Enter");
  await said(ada, "Shall we begin?");
  await ada.click('[data-open="chat"]');
  await ada.fill("#say input", "Yes. Ten minutes for each.");
  await ada.press("#say input", "Enter");
  await ada.click('[data-tab="timer"]');
  await ada.fill("#minutes", "10");
  await ada.click("#timer button.main");
  await happens(ada, () => /^9:5/.test(document.querySelector("#clock").textContent), "the timer");
  await ada.click("#shut");
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      const shot = async (page, name) => {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        await page.mouse.move(1, 1);
        await page.waitForTimeout(600);
        const path = join(folder, `rooms-${name}-${size}-${colorScheme}.png`);
        await page.screenshot({ path });
        console.log(path);
      };
      await shot(looking, "lobby");
      await shot(ada, "room");
      if ((size === "phone") !== (colorScheme === "dark")) continue;
      for (const tab of ["chat", "people", "timer", "draw", "text", "settings", "stats", "wires"]) {
        await ada.click('[data-open="settings"]');
        await ada.click(`[data-tab="${tab}"]`);
        await shot(ada, tab);
        await ada.click("#shut");
      }
    }
  }
  await emmy.click("#share-screen");
  await happens(ada, () => [...document.querySelectorAll("#stage video")].some((video) => video.videoWidth > 0), "the screen");
  await ada.setViewportSize(SIZES.desktop);
  await ada.waitForTimeout(800);
  await ada.screenshot({ path: join(folder, "rooms-screen-desktop-dark.png") });
});
