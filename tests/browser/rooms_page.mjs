// C88, C97: the page of rooms among tabs of one browser: three people, who comes late, mute, chat, a screen, hands, a timer, roles, passwords, calls.
import { assert, run } from "./harness.mjs";
import { enterRoom, happens, inRoom, lobby, said, seesAll } from "./rooms.mjs";

await run("rooms_page", 200, async (test) => {
  const base = `${test.url}/rooms/index.html`;
  // C1, C84, C85: one button, and all is there.
  const ada = await lobby(test, base);
  await enterRoom(ada, { name: "Ada", room: "club/tea", password: "earl grey" });
  const grace = await lobby(test, base, ada);

  // C93, C95, D19: the lobby knows the room, its owner and that it wants a password.
  await grace.waitForSelector('#rooms li[data-room="club/tea"] .lock');
  assert(/Ada · 1 of 20 places/.test(await grace.textContent('#rooms li[data-room="club/tea"] small')), "the lobby does not say who owns the room");
  await grace.click('#rooms button[aria-label="join club/tea"]');
  await grace.waitForSelector("#news:not([hidden])");
  assert(/wants a password/.test(await grace.textContent("#news")), "nothing is said of the password");
  await enterRoom(grace, { name: "Grace", room: "club/tea", password: "mint" }, false);
  await happens(grace, () => document.querySelector("#news p").textContent.includes("this is not it") || document.querySelector("#news p").textContent.includes("wants a password"), "the wrong password");
  await enterRoom(grace, { name: "Grace", room: "club/tea", password: "earl grey" });
  await Promise.all([seesAll(ada, 2), seesAll(grace, 2)]);

  // D54: the address says the room and who comes. It wants a password here, so the lobby asks.
  const emmy = await lobby(test, `${base}#club/tea?name=Emmy&email=emmy%40example.org`, ada);
  await emmy.waitForSelector("#news:not([hidden])");
  await emmy.fill("#password", "earl grey");
  await emmy.press("#password", "Enter");
  for (const page of [ada, grace, emmy]) await seesAll(page, 3);
  await ada.click('[data-open="people"]');
  await happens(ada, () => document.querySelector("#people").textContent.includes("emmy@example.org"), "the late one with her address");
  await happens(ada, () => [...document.querySelectorAll("#people small")].filter((one) => /direct · \d+ ms/.test(one.textContent)).length === 2, "direct ways");
  assert((await ada.inputValue("#link")).endsWith("#club/tea") && (await ada.$("#qr svg path")), "no link or QR code");
  console.log("three in a room with a password");

  // C18, C32: muted here, told there; the picture gives way to a face.
  await grace.click("#mute-camera");
  await grace.click("#mute-mic");
  await happens(ada, () => {
    const tile = [...document.querySelectorAll("#tiles .tile")].find((one) => one.textContent.includes("Grace"));
    return !tile.matches(".picture") && tile.querySelector(".signs .mic-off");
  }, "a face and a mute mark");
  await grace.click("#mute-camera");
  await grace.click("#mute-mic");
  await seesAll(ada, 3);

  // D17, D18: words as text, with a picture on wish.
  await ada.click('[data-tab="chat"]');
  await ada.click("#with-picture");
  await ada.fill("#say input", "<b>tea</b> is ready");
  await ada.press("#say input", "Enter");
  for (const page of [grace, emmy]) {
    await said(page, "<b>tea</b> is ready");
    assert(await page.$('#messages li img[alt="a picture of Ada"]'), "no picture beside the words");
    assert(!(await page.$("#messages b b, #messages span b")), "what is said became elements");
  }
  assert(await grace.$('[data-open="chat"].dot'), "nothing shows that there are words");
  console.log("mute, chat");

  // D26, D30, C91: a timer, a raised hand, one screen at a time.
  await ada.click('[data-tab="timer"]');
  await ada.fill("#minutes", "0");
  await ada.fill("#seconds", "40");
  await ada.click("#timer button.main");
  for (const page of [grace, emmy]) await happens(page, () => /^0:[0-3]\d$/.test(document.querySelector("#clock").textContent), "the timer");
  await ada.click("#timer-pause");
  await ada.click("#timer-stop");
  await happens(emmy, () => document.querySelector("#clock").hidden, "no timer");
  await ada.click("#shut");
  await grace.click("#raise");
  await happens(ada, () => document.querySelector("#tiles .tile.hand"), "a raised hand");
  await emmy.click("#share-screen");
  for (const page of [ada, grace]) await happens(page, () => [...document.querySelectorAll("#stage .tile.screen video")].some((video) => video.videoWidth > 0), "the screen");
  await happens(grace, () => document.querySelector("#share-screen").getAttribute("aria-disabled") === "true", "that only one shares");
  await emmy.click("#share-screen");
  for (const page of [ada, grace]) await happens(page, () => document.querySelector("#stage").hidden, "an empty stage");
  console.log("timer, hand, screen");

  // D33: put aside is not received.
  await ada.hover('#tiles .tile:has-text("Emmy")');
  await ada.click('#tiles .tile:has-text("Emmy") .aside');
  await happens(ada, () => document.querySelector("#shelf button")?.textContent === "Emmy", "a name on the shelf");
  await happens(emmy, () => session.peers.some(({ connection }) => connection.tracks({ kind: "video" })[0].started === false), "that nobody looks");
  await ada.click("#shelf button");
  await seesAll(ada, 3);

  // D34: silenced for one alone.
  await ada.hover('#tiles .tile:has-text("Emmy")');
  await ada.click('#tiles .tile:has-text("Emmy") button[aria-label="Emmy: silence for you"]');
  await happens(emmy, () => session.peers.filter(({ connection }) => connection.tracks({ kind: "audio" })[0].started === false).length === 1, "silent for one");
  await ada.click('#tiles .tile:has-text("Emmy") button[aria-label="Emmy: hear again"]');

  // D40: figures.
  await ada.click('[data-open="settings"]');
  await ada.click('[data-tab="stats"]');
  await happens(ada, () => document.querySelectorAll("#figures li").length === 2 && /round trip\d+ ms/.test(document.querySelector("#figures").textContent), "figures");
  await ada.click('[data-tab="wires"]');
  assert(/Not one line of SDP/.test(await ada.textContent("#proof")), "the proof");
  // C94: less of the line.
  await ada.click('[data-tab="settings"]');
  await ada.fill("#rate-video", "0");
  await happens(ada, () => session.peers.every(({ connection }) => connection.tracks({ kind: "video" })[0].mediaAttributes[0].maxBitrate === 64_000), "the limit");
  console.log("aside, figures, bandwidth");

  // C95, C12: out, and in again; for good.
  const out = async (button) => {
    await ada.click('[data-tab="people"]');
    await ada.click('#people button[aria-label="put Grace out"]');
    await ada.click(`#people .sure button:text-is("${button}")`);
    await grace.waitForSelector("#lobby:not([hidden])");
    await happens(grace, () => /put out/.test(document.querySelector("#news").textContent), "why");
  };
  await out("Put out");
  await seesAll(ada, 2);
  await grace.click('#news button:text-is("Enter again")');
  await grace.waitForSelector("#news:not([hidden])");
  await enterRoom(grace, { room: "club/tea", password: "earl grey" });
  for (const page of [ada, grace, emmy]) await seesAll(page, 3);

  // C10: the owner goes, and the room lives.
  await ada.click("#shut");
  await ada.click("#hang-up");
  await ada.waitForSelector("#lobby:not([hidden])");
  for (const page of [grace, emmy]) await seesAll(page, 2);
  await happens(emmy, () => document.querySelector("#tiles .tile.own .crown"), "that the next owns the room");
  await inRoom(emmy, "club/tea");

  // Of one who sends two pictures the first ends, as that of a page which was loaded anew: the other takes its tile.
  await grace.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
    setInterval(() => {
      const paper = canvas.getContext("2d");
      paper.fillStyle = `hsl(${performance.now() % 360} 50% 50%)`;
      paper.fillRect(0, 0, 64, 48);
    }, 100);
    window.first = session.streams.own[0].id;
    session.addStream(canvas.captureStream(10));
  });
  await happens(emmy, () => document.querySelectorAll("#tiles .tile.picture").length === 3, "two pictures of one");
  await grace.evaluate(() => session.removeStream(window.first));
  await seesAll(emmy, 2);

  // C75, C77: a call, rejected and accepted.
  await ada.click('#rooms button[aria-label="call Emmy"]');
  await emmy.waitForSelector("#ring:not([hidden])");
  assert(/Ada calls/.test(await emmy.textContent("#ring")), "nobody says who calls");
  await emmy.click('#ring button:text-is("Reject")');
  await happens(ada, () => /does not want to talk/.test(document.querySelector("#news").textContent), "the refusal");
  await ada.click('#news button:text-is("Call again")');
  await emmy.waitForSelector("#ring:not([hidden])");
  await emmy.click('#ring button:text-is("Accept")');
  for (const page of [ada, emmy]) await seesAll(page, 2);
  await inRoom(emmy, /^call\//);
  await emmy.click("#hang-up");
  await ada.waitForSelector("#lobby:not([hidden])");
  console.log("put out, owner gone, calls");
});
