// C90, C66: Firefox opens invitations: the link that a page shows, with the room's secret, by its lobby; and one that the server made, with a token.
import { firefox } from "./bidi.mjs";
import { assert, pause, run } from "./harness.mjs";
import { enterRoom, happens, lobby, seesAll, serve } from "./rooms.mjs";

const API = "0123456789abcdef";

/** Like `happens`, in a page of Firefox. */
async function until(page, look, what) {
  for (const end = Date.now() + 40_000; !(await page.evaluate(look)); await pause(100)) {
    assert(Date.now() < end, `never: ${what}: ${JSON.stringify(await page.evaluate(() => ({ news: document.querySelector("#news").textContent, status: document.querySelector("#status").textContent, tiles: [...document.querySelectorAll(".tile")].map((one) => `${one.className}: ${one.textContent}`) })))}`);
  }
}

/** Two pictures; of those that come, one was decoded. */
const seesTwo = () => document.querySelectorAll("#tiles .tile.picture").length === 2 && session.peers.every((peer) => session.paths.of(peer)?.rows.some(({ kind, framesDecoded }) => kind === "video" && framesDecoded > 5));

const withDebug = (link) => {
  const url = new URL(link);
  url.searchParams.set("debug", "");
  return url.href;
};

await run("rooms_invited", 120, async (test) => {
  const foxed = firefox(test.cleanup);
  const server = await serve(test, "--api-token", API, "--token-secret", API + API);
  const ada = await lobby(test, `${server.url}/`);
  await ada.click("#rules summary");
  await ada.fill("#secret", "correct horse");
  await enterRoom(ada, { name: "Ada", room: "tea/at five" });
  const link = await ada.inputValue("#link");
  const fox = await foxed;

  // The lobby has the room and the secret; what is left is a name, and Enter.
  const grace = await fox.page(withDebug(link), () => document.documentElement.dataset.ready !== undefined);
  assert((await grace.evaluate(() => `${document.querySelector("#room").value}|${document.querySelector("#secret").value}`)) === "tea/at five|correct horse", "the lobby has another room");
  await grace.evaluate(() => document.querySelector("#name").focus());
  const keys = [..."Grace", "\uE007"].flatMap((value) => ["keyDown", "keyUp"].map((type) => ({ type, value })));
  await grace.act({ type: "key", id: "keys", actions: keys });
  await until(grace, () => !document.querySelector("#call").hidden, "in the room");
  await seesAll(ada, 2);
  await until(grace, seesTwo, "two pictures in Firefox");
  await happens(ada, () => document.querySelector("#people").textContent.includes("Grace"), "Grace by her name");
  const shown = await grace.evaluate(() => document.querySelector("#link").value);
  assert(shown === link, `another link: ${shown}`);
  await grace.close();
  console.log("Firefox enters by a page's link, with its secret");

  const made = await fetch(`${server.url}/api/tokens`, { method: "POST", headers: { Authorization: `Bearer ${API}`, "Content-Type": "application/json" }, body: JSON.stringify({ room: "kept/one", userid: "heidi" }) }).then((answer) => answer.json());
  const other = await lobby(test, `${server.url}/#kept/one?name=Ivan`);
  await other.waitForSelector("#call:not([hidden])");
  const heidi = await fox.page(withDebug(`${made.link}&name=Heidi`), () => !document.querySelector("#call").hidden);
  assert((await heidi.evaluate(() => session.userid)) === "heidi", "the token was not used");
  await seesAll(other, 2);
  await until(heidi, seesTwo, "two pictures in Firefox by a token");
  const told = await heidi.evaluate(() => document.querySelector("#link").value);
  assert(told.endsWith("/#kept/one") && !told.includes("token"), `the link that goes on to others: ${told}`);
  console.log("Firefox enters by a server's link, with its token");
  assert(!fox.complaints().length, fox.complaints().join("\n"));
});
