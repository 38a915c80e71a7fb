// tsc --strict over web/ortc.d.ts and web/rooms.d.ts, and over the README's module as one that uses it.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const modules = process.env.ORTC_PLAYWRIGHT_DIR ?? join(root, "target/peers");
const tsc = join(modules, "node_modules/typescript/bin/tsc");
const readme = readFileSync(join(root, "README.md"), "utf8").split("```js\n")[1].split("```")[0];

const folder = mkdtempSync(join(tmpdir(), "ortc-types-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const name of ["ortc.d.ts", "rooms.d.ts"]) copyFileSync(join(root, "web", name), join(folder, name));
const check = (name, text, ...more) => {
  writeFileSync(join(folder, name), text);
  const flags = ["--strict", "--noEmit", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"];
  const ended = spawnSync(process.execPath, [tsc, ...flags, ...more, name], { cwd: folder, encoding: "utf8" });
  return ended.status === 0 ? "" : ended.stdout + ended.stderr;
};
// The README has no types of its own: its parameters are any.
const javascript = ["--allowJs", "--checkJs", "--noImplicitAny", "false"];
const rooms = `import { Session } from "./rooms.js";
export async function join(stream: MediaStream) {
  const session = await Session.connect("/ws", { extra: { name: "Ada" } });
  session.onstream = ({ stream, userid }) => console.log(stream.stream, userid);
  await session.openOrJoin("demo");
  session.addStream(stream, { session: { screen: true } });
  session.send("hello", { to: "bob" });
}
`;
const complaints = check("own.ts", 'import "./ortc.js";\nimport "./rooms.js";\n') + check("rooms_use.ts", rooms) + check("readme.js", readme, ...javascript);
if (complaints) {
  console.error(complaints);
  process.exit(1);
}
// That the check sees what is wrong.
for (const [right, wrong] of [["connection.connect()", "connection.offer()"], ["new RTCConnection({ iceServers: [] })", "new RTCConnection({ iceServers: 7 })"]]) {
  if (!readme.includes(right)) throw new Error(`README.md has no ${right}`);
  if (!check("wrong.js", readme.replace(right, wrong), ...javascript)) throw new Error(`${wrong} is not found`);
}
if (!check("wrong.ts", rooms.replace("openOrJoin", "enter"))) throw new Error("a wrong call of rooms.js is not found");
console.log(`tsc ${execFileSync(process.execPath, [tsc, "--version"], { encoding: "utf8" }).trim()}: web/ortc.d.ts, web/rooms.d.ts and the README's module`);
