// A page without permission for media shows names instead of addresses (RFC 8828): Rust asks for them by multicast.
// And Rust shows names, for which the page asks.
// In a network of its own, whose only interface besides loopback has a cable to itself.
import { execFileSync } from "node:child_process";
import { assert, capture, launchChromium, run } from "./harness.mjs";

const links = execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).trim().split("\n");
assert(links.length === 1, `this is no network of its own: ${links}`);
execFileSync("ip", ["-batch", "-"], { input: `link add eth0 type veth peer name eth1
addr add 10.97.0.1/24 dev eth0
link set eth1 up
link set eth0 up
route add default dev eth0
` });

const launch = (cleanup) => launchChromium(cleanup, undefined, ["--enable-features=WebRtcHideLocalIpsWithMdns", "--deny-permission-prompts"]);

await run("mdns", 100, async (test) => {
  const rust = await test.rust();
  const page = await test.page(undefined, { permissions: [] });
  const texts = capture(page);
  const begin = Date.now();
  const call = (query, told) => page.evaluate(async ([url, told]) => {
    const caller = new Caller(await socket(url));
    // One side alone knows of the other: without what the names mean, neither finds the other.
    const [hear, say] = [caller.hear.bind(caller), caller.say.bind(caller)];
    const of = [];
    caller.hear = (message) => {
      if (message.candidate) of.push(message.candidate);
      if (!message.candidate || !told) hear(message);
    };
    caller.say = (message) => { if (!message.candidate || told) say(message); };
    const begin = performance.now();
    caller.introduce();
    caller.add(drawing(320, 240));
    const channel = caller.connection.createDataChannel("talk");
    await until(() => channel.readyState === "open", "an open channel");
    const took = performance.now() - begin;
    const answer = new Promise((resolve) => { channel.onmessage = ({ data }) => resolve(data); });
    channel.send("who am I");
    if (await answer !== "You said: who am I") throw new Error("another answer");
    await moves((await caller.pictures(1))[0]);
    caller.close();
    return { took, of };
  }, [`${rust.ws}/call${query}`, told]);
  const isName = ({ connectionAddress }) => /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\.local$/.test(connectionAddress);
  const { took } = await call("", true);
  const candidates = texts.filter((text) => text.startsWith('{"candidate":')).map((text) => JSON.parse(text).candidate);
  const names = candidates.filter(isName);
  assert(names.length > 0, `no names: ${JSON.stringify(candidates)}`);
  const rustNames = await call("?names", false);
  assert(rustNames.of.length > 0 && rustNames.of.every(isName), `addresses: ${JSON.stringify(rustNames.of)}`);
  console.log(`${names.length} names, a channel after ${Math.round(took)} ms; ${rustNames.of.length} of Rust's, after ${Math.round(rustNames.took)} ms; all in ${Date.now() - begin} ms`);
}, launch);
