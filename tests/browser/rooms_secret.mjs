// C66: a room with a secret that the server does not know: two pages and `ortc call` prove it to each other; who has another is connected to nobody, and both ends are told.
import { spawn } from "node:child_process";
import { assert, capture, run } from "./harness.mjs";
import { enterRoom, happens, lobby, seesAll, serve } from "./rooms.mjs";

await run("rooms_secret", 150, async (test) => {
  const server = await serve(test);
  const ada = await lobby(test, `${server.url}/`);
  const texts = capture(ada);
  await ada.reload();
  await ada.waitForSelector("html[data-ready]");
  await ada.click("#rules summary");
  await ada.fill("#secret", "correct horse");
  await enterRoom(ada, { name: "Ada", room: "hush" });
  const link = await ada.inputValue("#link");
  assert(link.endsWith("#hush?secret=correct%20horse"), link);
  const grace = await lobby(test, link);
  await enterRoom(grace, { name: "Grace", room: "hush" });
  await Promise.all([seesAll(ada, 2), seesAll(grace, 2)]);
  const call = spawn(server.program, ["call", "hush", "--server", server.url, "--name", "Rust", "--secret", "correct horse"], { stdio: ["ignore", "ignore", "inherit"] });
  test.cleanup.push(() => call.kill("SIGKILL"));
  await Promise.all([seesAll(ada, 3), seesAll(grace, 3)]);
  console.log("two pages and ortc call prove the secret");

  // A path that is found anew proves it again.
  await ada.evaluate(() => Promise.all(session.peers.map(({ connection }) => connection.restart())));
  await Promise.all([seesAll(ada, 3), seesAll(grace, 3)]);

  // Another secret, and none.
  const eve = await lobby(test, `${server.url}/#hush?secret=battery%20staple`);
  await enterRoom(eve, { name: "Eve", room: "hush" });
  await happens(eve, () => /is not connected to/.test(document.querySelector("#news").textContent), "that Eve is told");
  await happens(ada, () => /Eve is not connected to/.test(document.querySelector("#news").textContent), "that Ada is told");
  const mallory = await lobby(test, `${server.url}/#hush`);
  await enterRoom(mallory, { name: "Mallory", room: "hush" });
  await happens(mallory, () => /has a secret/.test(document.querySelector("#news").textContent), "what Mallory needs");
  for (const page of [eve, mallory]) {
    await page.waitForTimeout(1000);
    assert(await page.evaluate(() => session.peers.every(({ state, streams }) => state !== "connected" && !streams.length)), "a stranger is connected");
  }
  assert(!texts.some((text) => text.includes("horse")), "the secret crossed to the server");
  await happens(ada, () => document.querySelectorAll("#tiles .tile.picture").length === 3, "three pictures as before");
});
