// Firefox by WebDriver BiDi, as little of it as the tests need.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PREFS = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "media.gmp-manager.updateEnabled": false,
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "http://localhost:1/",
  "toolkit.telemetry.server": "",
};

export async function firefox(cleanup, program = process.env.ORTC_FIREFOX ?? "/usr/bin/firefox-esr") {
  const profile = await mkdtemp(join(tmpdir(), "ortc-firefox-"));
  const prefs = Object.entries(PREFS).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(join(profile, "user.js"), prefs.join("\n"));
  cleanup.push(() => rm(profile, { recursive: true, force: true }));
  // A group of its own, so that its helpers end with it.
  const child = spawn(program, ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: "1" },
    detached: true,
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  cleanup.push(async () => {
    process.kill(-child.pid, "SIGKILL");
    await gone;
  });
  const url = await new Promise((resolve, reject) => {
    child.once("error", reject);
    createInterface({ input: child.stderr }).on("line", (line) => {
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
    gone.then((code) => reject(new Error(`firefox ended with ${code}`)));
  });

  const socket = new WebSocket(`${url}/session`);
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: () => reject(new Error("no BiDi")) }));
  const waiting = new Map();
  const events = [];
  let id = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "event") return void events.push(message);
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.type === "error") reject(new Error(`${message.error}: ${message.message}`));
    else resolve(message.result);
  };
  const command = (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params }));
    });
  // A window each: what is behind another tab is not decoded.
  const { capabilities } = await command("session.new", { capabilities: {} });
  await command("session.subscribe", { events: ["log.entryAdded"] });

  return {
    version: capabilities.browserVersion,
    complaints: () => events.map(({ params }) => params).filter(({ level }) => level === "error").map(({ text }) => text),
    /** A page, once `ready` holds in it. */
    async page(address, ready = () => window.ready) {
      const { context } = await command("browsingContext.create", { type: "window" });
      await command("browsingContext.navigate", { context, url: address, wait: "complete" });
      /** Like playwright's: a function, what it is given, and what it gives, as JSON. */
      const evaluate = async (work, argument) => {
        const expression = `(async () => JSON.stringify(await (${work})(${JSON.stringify(argument) ?? ""})) ?? "null")()`;
        const { type, result, exceptionDetails } = await command("script.evaluate", { expression, awaitPromise: true, target: { context } });
        if (type === "exception") throw new Error(exceptionDetails.text);
        return JSON.parse(result.value);
      };
      while (!(await evaluate(ready))) await new Promise((resolve) => setTimeout(resolve, 20));
      /** A mouse's or a keyboard's actions, as WebDriver has them. */
      const act = (...actions) => command("input.performActions", { context, actions });
      return { evaluate, act, close: () => command("browsingContext.close", { context }) };
    },
  };
}
