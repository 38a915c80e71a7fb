// What a room is for: one who sends and many who watch (C87), what each takes (D12), which parts the page has (D16, D43, D49), and a timer that is up (D26).
import { spawn } from "node:child_process";
import { assert, run } from "./harness.mjs";
import { enterRoom, happens, lobby, seesAll, serve } from "./rooms.mjs";

await run("rooms_rules", 120, async (test) => {
  const server = await serve(test);
  const base = `${server.url}/`;
  // C87: the owner alone sends. Two pages watch, a Rust one as well, one comes late.
  const ada = await lobby(test, base);
  await ada.click("#rules summary");
  await ada.selectOption("#direction", "one-way");
  await ada.click("#parts summary");
  const parts = await ada.$$eval("#features input", (all) => all.map(({ name }) => name).join());
  assert(parts === "chat,fileShare,timer,draw,screenrecord,screenshare,videoRecord,snapshot,minmax,mute,hand,text,reconnect,cursor,debug,help,statistics", parts);
  for (const name of ["hand", "debug", "text"]) await ada.uncheck(`#features input[name="${name}"]`);
  await enterRoom(ada, { name: "Ada", room: "stage" });
  const grace = await lobby(test, `${base}#stage?name=Grace`, ada);
  const call = spawn(server.program, ["call", "stage", "--server", server.url, "--name", "Rust", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  test.cleanup.push(() => call.kill("SIGKILL"));
  let heard = "";
  call.stdout.on("data", (text) => { heard += text; });
  const watches = (page) => happens(page, () => {
    const frames = (one) => (one.querySelector("video")?.videoWidth ? one.querySelector("video").getVideoPlaybackQuality().totalVideoFrames : 0);
    const moving = [...document.querySelectorAll("#tiles .tile.picture:not(.own)")].filter((one) => frames(one) > 5);
    return moving.length === 1 && moving[0].textContent.includes("Ada");
  }, "Ada's picture alone", 60_000);
  await watches(grace);
  await happens(ada, () => session.room().users.size === 3, "three in the room");
  const emmy = await lobby(test, `${base}#stage?name=Emmy`, ada);
  await watches(emmy);
  assert(await ada.evaluate(() => session.peers.length === 3 && session.peers.every(({ streams }) => !streams.length)), "who watches sends");
  assert(await emmy.evaluate(() => session.peers.length === 1), "who watch are connected to each other");
  for (const end = Date.now() + 30_000; !heard.includes(`"event":"stream"`); await ada.waitForTimeout(100)) assert(Date.now() < end, `ortc call gets nothing: ${heard}`);
  console.log("one sends, three watch");

  // D12: no pictures for Grace; the sender need not send them.
  await grace.click('[data-open="settings"]');
  await grace.uncheck("#take-video");
  const sendsTo = (name) => ada.evaluate((name) => session.peers.find(({ user }) => user.extra.name === name).connection.tracks({ kind: "video" })[0].started, name);
  for (const end = Date.now() + 10_000; await sendsTo("Grace"); await ada.waitForTimeout(100)) assert(Date.now() < end, "what nobody takes is sent");
  assert(await sendsTo("Emmy"), "others are sent nothing either");
  await happens(grace, () => !document.querySelector("#tiles .tile.picture:not(.own)"), "a face in the place of the picture");
  await grace.check("#take-video");
  await watches(grace);
  await ada.click('[data-open="settings"]');
  await happens(ada, () => document.querySelector("#given").textContent === "your voice, your picture", "what goes out");
  await ada.click("#mute-mic");
  await happens(ada, () => document.querySelector("#given").textContent === "your picture", "what goes out");
  console.log("what is taken and what is given");

  // D16, D43: what the room has not is nowhere, in the order of the list, and it may change.
  const tabs = (page) => page.$$eval('[role="tab"]', (all) => all.filter((one) => one.offsetParent).map(({ dataset }) => dataset.tab).join());
  const hidden = (page, ids) => page.evaluate((ids) => ids.every((id) => !document.querySelector(id).checkVisibility()), ids);
  assert(await hidden(emmy, ["#raise", "#tab-wires", "#tab-text"]), "a part that the room has not");
  await ada.click("#policy summary");
  await ada.uncheck('#policy-features input[name="timer"]');
  for (const name of ["chat", "draw", "help"]) await ada.uncheck(`#policy-features input[name="${name}"]`);
  await happens(emmy, () => !document.querySelector('[data-open="chat"]').checkVisibility(), "no chat");
  await emmy.click('[data-open="settings"]');
  assert(!/chat|timer|wires|draw|text/.test(await tabs(emmy)) && (await hidden(emmy, ['[data-help][data-feature]'])), await tabs(emmy));
  // The keyboard passes them by.
  await emmy.focus("#tab-settings");
  const first = (await tabs(emmy)).split(",")[0];
  await emmy.keyboard.press("Home");
  assert((await emmy.evaluate(() => document.activeElement.dataset.tab)) === first, "the keyboard finds a tab that is not there");
  await ada.check('#policy-features input[name="timer"]');
  for (const name of ["chat", "draw", "help"]) await ada.check(`#policy-features input[name="${name}"]`);
  await happens(emmy, () => document.querySelector('[data-open="chat"]').checkVisibility(), "the chat");
  await happens(emmy, () => !document.querySelector("[data-help][data-feature]").classList.contains("off"), "the help");
  assert(/^chat,.*timer,draw,/.test(await tabs(emmy)), await tabs(emmy));
  console.log("parts of the page");

  // D26: a timer runs out for all.
  await ada.click('[data-tab="timer"]');
  await ada.fill("#minutes", "0");
  await ada.fill("#seconds", "2");
  await ada.click("#timer button.main");
  for (const page of [ada, emmy]) {
    await happens(page, () => document.querySelector("#clock.over")?.textContent === "0:00" && /Time is up/.test(document.querySelector("#live").textContent), "that the time is up");
  }
  await ada.click("#timer-stop");
  // Connected anew, and all as before.
  await ada.click('[data-tab="stats"]');
  await ada.click("#reconnect");
  await happens(ada, () => session.peers.every(({ state }) => state === "connected"), "that all are connected again");
  await watches(emmy);
});
