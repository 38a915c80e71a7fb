// The modules of the page without a browser: what reads and composes session descriptions, and how they hang together.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const web = join(dirname(fileURLToPath(import.meta.url)), "../../web");
const { agreed, readCodec, sameCodec } = await import(join(web, "ortc/codecs.js"));
const { numbered, numbersDiffer } = await import(join(web, "ortc/extensions.js"));
const { compose } = await import(join(web, "ortc/compose.js"));
const { eat, sideOf } = await import(join(web, "ortc/sdp.js"));
const { readSide } = await import(join(web, "ortc/side.js"));

// -- A description that is composed is read as it was meant.

const codec = (id, name, more) => readCodec({ payloadId: id, name, ...more });
const opus = codec(50, "opus", { clockRate: 48000, numChannels: 2, params: [{ name: "minptime", value: "10" }, { name: "useinbandfec", value: "1" }] });
const vp8 = codec(96, "vp8");
const rtx = codec(97, "rtx", { params: [{ name: "apt", value: "96" }] });
const h264 = codec(98, "h264", { parameters: { "packetization-mode": 1, "profile-level-id": "42e01f" } });
const orphan = codec(99, "rtx", { params: [{ name: "apt", value: "120" }] });
const MID = "urn:ietf:params:rtp-hdrext:sdes:mid";
const LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const side = readSide({ ice: { usernameFrag: "abcd", password: "a".repeat(22) }, dtls: { fingerprint: { "sha-256": "ab:cd", "sha-512": "01:02" } }, iceLite: true, sctp: { maxMessageSize: 0 } });
const track = { kind: "video", ssrc: "4294967295", msid: ["one", "two"], codecs: [vp8, rtx, h264], headerExtensions: [{ uri: LEVEL, id: 3 }, { uri: MID, id: 4 }], rtx: { ssrc: "7" }, cname: "me" };
const sections = [
  { media: "audio", mid: "0", codecs: [opus] },
  { media: "audio", mid: "1", codecs: [opus], extensions: [{ uri: LEVEL, id: 1 }], send: { codecs: [opus], extensions: [{ uri: LEVEL, id: 1 }], active: true } },
  { media: "video", mid: "2", codecs: [vp8, orphan], extensions: [], send: { codecs: [vp8, rtx, orphan], encodings: [{ rid: "h" }, { rid: "l" }], extensions: [], active: true } },
  { media: "video", mid: "r0", codecs: [], receive: track, rank: 0 },
  { media: "video", mid: "4", rejected: true },
  { media: "video", mid: "5", codecs: [vp8] },
  { media: "application", mid: "6" },
];
const offer = compose({ type: "offer", version: 3, side, setup: null, sections });
const read = eat(offer);
assert.deepEqual(read.map(({ media, mid, rejected }) => [media, mid, rejected]), sections.map(({ media, mid, rejected = false }) => [media, mid, rejected]));
assert.deepEqual(read[3].codecs.map((one) => one["payload-id"]), [96, 97, 98]);
assert.ok(read[3].codecs.every((one, at) => sameCodec(one, track.codecs[at])));
assert.deepEqual([read[3].ssrc, read[3].rtx, read[3].cname], ["4294967295", "7", "me"]);
assert.deepEqual(sideOf(read), { ice: { usernameFrag: "abcd", password: "a".repeat(22) }, dtls: { fingerprint: { "sha-256": "AB:CD", "sha-512": "01:02" } } });
// Payload ids, parameters and channels are those of the description.
assert.deepEqual(read[1].codecs, [{ ...opus, clockRate: 48000 }]);
// RFC 8843 section 9: the peer has the extension under 3, so the section that sends goes without it; MID is for its own sections only.
assert.deepEqual(read[3].extensions, [{ uri: LEVEL, id: 3 }]);
assert.deepEqual(read[1].extensions, []);
// A repair without what it repairs is left out; layers have their names.
assert.deepEqual(read[2].codecs.map((one) => one["payload-id"]), [96, 97]);
for (const line of ["a=ice-lite", "a=setup:actpass", "a=group:BUNDLE 0 1 2 r0 5 6", "a=max-message-size:0", "a=simulcast:recv h;l", "a=rid:h recv", "a=msid:two r0", "o=- 1 3 IN IP4 127.0.0.1"]) {
  assert.ok(offer.split("\r\n").includes(line), line);
}
const directions = (text) => text.split(/\r\n(?=m=)/).slice(1).map((body) => /a=(sendonly|recvonly|inactive)/.exec(body)?.[1]);
assert.deepEqual(directions(offer), ["inactive", "recvonly", "recvonly", "sendonly", "inactive", "inactive", undefined]);
// Header extensions may be numbered where nothing is sent.
const numbers = [{ uri: LEVEL, id: 1 }, { uri: MID, id: 4 }];
assert.deepEqual(eat(compose({ type: "offer", version: 4, side, setup: null, sections: [{ ...sections[0], numbers }, sections[1]] })).map(({ extensions }) => extensions), [numbers, [{ uri: LEVEL, id: 1 }]]);
const firefox = [{ uri: LEVEL, id: 1 }, { uri: MID, id: 3 }, { uri: "x", id: 4 }];
assert.deepEqual([numbersDiffer(numbers), numbersDiffer(firefox), numbered(firefox)], [false, true, [...numbers, { uri: "x", id: 4 }]]);
// An answer has of the track what the browser offers, under the browser's ids, and the agreed role.
const own = [codec(101, "h264", { params: h264.params }), codec(102, "av1")];
const answer = compose({ type: "answer", version: 4, side, setup: "passive", sections: [sections[0], { ...sections[3], codecs: own, extensions: [{ uri: LEVEL, id: 3 }] }] });
assert.deepEqual(eat(answer)[1].codecs.map((one) => one["payload-id"]), [101]);
assert.deepEqual(agreed(track.codecs, own), [own[0]]);
assert.ok(answer.includes("a=setup:passive") && !answer.includes("a=setup:actpass"));
// Browsers write sections that ride on another one with port 0.
assert.deepEqual(eat("v=0\r\nm=audio 0 X 0\r\na=mid:0\r\na=bundle-only\r\nm=audio 0 X 0\r\na=mid:1\r\n").map(({ rejected }) => rejected), [false, true]);

// -- All modules load without a browser, none is imported by what it imports, and each is of one subject.

// What others made is in folders named vendor.
const names = (await readdir(web, { recursive: true })).filter((name) => name.endsWith(".js") && !name.split(/[/\\]/).includes("vendor"));
const imports = new Map();
for (const name of names) {
  const text = await readFile(join(web, name), "utf8");
  const found = [...text.matchAll(/^(?:import|export) (?:[^"]* from )?"(\.[^"]*)";$/gm)].map(([, path]) => relative(web, join(web, dirname(name), path)));
  for (const path of found) assert.ok(names.includes(path) || /\/vendor\//.test(path), `${name} imports ${path}`);
  imports.set(name, found.filter((path) => names.includes(path)));
  assert.ok(text.split("\n").length <= 330, `${name} has ${text.split("\n").length} lines`);
  // The API knows nothing of the demo page.
  if (name.startsWith("ortc")) assert.ok(found.every((path) => path.startsWith("ortc/")), `${name} imports ${found}`);
  // Nor do rooms of their page.
  const ofRooms = name.startsWith("rooms") && !name.startsWith("rooms/page/");
  if (ofRooms) assert.ok(found.every((path) => /^(ortc|rooms)\b/.test(path) && !path.startsWith("rooms/page/")), `${name} imports ${found}`);
}
const circle = (name, path = []) => {
  assert.ok(!path.includes(name), `imports go in a circle: ${[...path, name].join(" → ")}`);
  for (const next of imports.get(name)) circle(next, [...path, name]);
};
for (const name of names) circle(name);
const api = await import(join(web, "ortc.js"));
assert.deepEqual(Object.keys(api).sort(), [
  "DTMFMediaStreamTrack", "RTCConnection", "RTCIceCandidateDescription", "RTCSocket", "RTCTrack", "RTCTrackDescription", "getRTCCapabilities", "getRTCCodec", "install",
]);
// -- QR codes: the modules of two texts, as other encoders have them and readers read them.

const { qr } = await import(join(web, "rooms/page/qr.js"));
const digest = (text) => createHash("sha256").update(qr(text).map((row) => row.map(Number).join("")).join("\n")).digest("hex").slice(0, 16);
assert.equal(digest("https"), "3ed3dfe24378585c");
assert.equal(digest(`https://example.org/#${"room".repeat(30)}`), "748db3743cf6606f");
assert.equal(qr("x".repeat(214)), null);

// -- Files: hashes as the crate makes them, messages as spec/files.md has them, names that mean nothing but themselves.

const { BLOCK, blocks, blockSize, fromHex, hash, hashBlock, toHex, Tree } = await import(join(web, "rooms/files/blake3.js"));
for (const { size, blocks: hashes, before, hash: whole } of JSON.parse(await readFile(join(web, "../spec/json/files/blake3.json"), "utf8"))) {
  const data = Uint8Array.from({ length: size }, (_, at) => at * 31 + Math.floor(at / 977));
  const tree = new Tree();
  const prefixes = [];
  for (let index = 0; index < blocks(size); index++) {
    prefixes.push(toHex(tree.prefix()));
    tree.push(hashBlock(size, index, data.subarray(index * BLOCK, index * BLOCK + blockSize(size, index))));
    assert.equal(toHex(hashBlock(size, index, data.subarray(index * BLOCK, index * BLOCK + blockSize(size, index)))), hashes[index], `block ${index} of ${size} bytes`);
  }
  if (before) assert.equal(prefixes.at(-1), before);
  assert.equal(toHex(tree.root()), whole, `${size} bytes`);
  assert.equal(toHex(hash(data)), whole);
}
assert.equal(fromHex("xy".repeat(32)), null);
const { read: readMessage, sanitised, shown, write: writeMessage } = await import(join(web, "rooms/files/messages.js"));
const lines = (await readFile(join(web, "../spec/files.md"), "utf8")).split("\n").filter((line) => line.startsWith("{"));
for (const line of lines) assert.equal(writeMessage(...readMessage(line)), line);
assert.equal(new Set(lines.map((line) => Object.keys(JSON.parse(line))[0])).size, 17);
for (const bad of ["", "[]", "null", "{}", '{"get":{"file":-1,"from":0}}', '{"get":{"file":0.5,"from":0}}', '{"end":{"hash":"aa"}}', '{"a":1,"b":2}', '{"constructor":{}}', '{"__proto__":{}}', '{"entries":[{"path":"x","size":1}]}', '{"pause":{"on":1}}', `{"reject":{"code":"x","message":"${"y".repeat(70_000)}"}}`]) {
  assert.throws(() => readMessage(bad), { code: "malformed" }, bad);
}
for (const [name, becomes] of [["photo.jpg", "photo.jpg"], ["Grüße 日本 🙂.txt", "Grüße 日本 🙂.txt"], ["..", "__"], ["../x", "_.._x"], ["a/b\\c:d", "a_b_c_d"], [".bashrc", "_.bashrc"], ["CON", "_CON"], ["com1.txt", "_com1.txt"], ["x. . ", "x"], ["a\u202eb", "a_b"], ["", "_"]]) {
  assert.equal(sanitised(name), becomes, name);
}
assert.ok(new TextEncoder().encode(sanitised("🙂".repeat(300))).length <= 200);
assert.equal(shown("a\u001b[31m\u202eb"), "a\\u{1b}[31m\\u{202e}b");

assert.equal(await readFile(join(web, "rooms/words.txt"), "utf8"), await readFile(join(web, "../cli/src/words.txt"), "utf8"), "the words of codes are those of the command");

// -- A drawing: the golden messages, and the same picture as in Rust whatever the order.

const { Drawing } = await import(join(web, "rooms/widgets/drawing.js"));
const golden = JSON.parse(await readFile(join(web, "../spec/json/widgets/draw.json"), "utf8"));
const easel = (me) => {
  const said = [];
  return { said, drawing: new Drawing({ me, present: (who) => ["a", "b"].includes(who), say: (body, to) => said.push([to, body]), changed() {} }) };
};
{
  const { drawing, said } = easel("a");
  for (const body of [...golden.filter(({ stroke }) => stroke)].reverse()) drawing.hear("b", body);
  assert.deepEqual(drawing.have, golden.find(({ have }) => have).have);
  assert.deepEqual(drawing.strokes.map(({ points }) => points), [[0, 65535, 300, 60000, 900, 51000]]);
  drawing.hear("b", { want: { by: ["a"] } });
  assert.deepEqual(said.pop(), ["b", { kept: { strokes: [], last: true } }]);
  drawing.hear("b", golden.find(({ kept }) => kept));
  drawing.hear("b", golden[0]);
  assert.deepEqual(drawing.strokes.map(({ points }) => points), [[5, 5]]);
  assert.equal(drawing.refused, 0);
  const [{ stroke }] = golden;
  const bad = [{ stroke: { ...stroke, by: "c" } }, { stroke: { ...stroke, n: 2 ** 53 } }, { stroke: { ...stroke, width: 0 } }, { stroke: { ...stroke, colour: "red" } }, { stroke: { ...stroke, points: [1] } }, { stroke: { ...stroke, points: [1, 1e5] } }, { stroke: { ...stroke, at: 511 } }, { erase: { by: "a", n: 1 } }, { clear: { n: -1 } }, { have: { clear: 0, by: { x: 1 } } }, { kept: { strokes: [{ ...stroke, by: "a\u0000".repeat(40) }] } }, { kept: { strokes: [null] } }, { want: {} }, { constructor: {} }, null, 7, "x", [], {}];
  for (const [count, body] of bad.entries()) {
    drawing.hear("b", body);
    assert.equal(drawing.refused, count + 1, JSON.stringify(body));
  }
  drawing.hear("b", golden.find(({ clear }) => clear));
  assert.equal(drawing.strokes.length, 0);
}

// -- Cursors go over a channel of their own, which is made when there is something.
{
  const { Talk } = await import(join(web, "rooms/talk.js"));
  const made = [];
  const talk = new Talk({ create: (label, init) => made.push({ label, init, readyState: "connecting", bufferedAmount: 0, sent: [], send(text) { this.sent.push(text); }, close() {} }) && made.at(-1), opened() {}, closed() {} });
  talk.actionLossy("x.cursor", {});
  assert.equal(made.length, 0);
  talk.create();
  made[0].readyState = "open";
  for (let count = 0; count < 2; count++) talk.actionLossy("x.cursor", { n: count });
  assert.deepEqual([made[1].label, made[1].init.ordered, made[1].init.maxRetransmits, made[1].sent.length], ["rooms.lossy", false, 0, 0]);
  made[1].readyState = "open";
  for (const body of JSON.parse(await readFile(join(web, "../spec/json/widgets/cursor.json"), "utf8"))) {
    talk.actionLossy("x.cursor", body);
    assert.deepEqual(JSON.parse(made[1].sent.at(-1)).action, { name: "x.cursor", body });
  }
  made[1].bufferedAmount = 20_000;
  talk.actionLossy("x.cursor", {});
  assert.equal(made[1].sent.length, 2);
  talk.end();
}

// -- What has a channel of its own, and is cut off with the connection, is told.
{
  const { Talk } = await import(join(web, "rooms/talk.js"));
  const [made, told] = [[], []];
  const channel = (label) => ({ label, readyState: "open", bufferedAmount: 0, send() {}, close() { this.onclose(); } });
  const host = { create: (label) => made.push(channel(label)) && made.at(-1), opened() {}, closed() {}, number() {}, large: () => told.push("large"), cut: () => told.push("cut") };
  const talk = new Talk(host);
  talk.create();
  talk.send(new Uint8Array(100_000));
  talk.send(new Uint8Array(100_000));
  assert.deepEqual(made.map(({ label }) => label), ["rooms", "rooms.large", "rooms.large"]);
  made[1].onopen(); // All of it goes at once.
  assert.deepEqual(told.splice(0), ["large", "large"]);
  talk.drop();
  made[2].onclose();
  assert.deepEqual(told, ["cut"], "once, of the second");
  talk.end();
  assert.deepEqual(told, ["cut"]);
}

// -- A text: the golden messages, what is typed as the least change, and who is asked for what is missing.

const { difference, SharedText } = await import(join(web, "rooms/widgets/text.js"));
{
  const script = JSON.parse(await readFile(join(web, "../spec/json/widgets/text.json"), "utf8"));
  const ways = new Map();
  const texts = new Map();
  const joins = (me) => {
    const text = new SharedText({ say: (body, to) => { for (const other of to ? [to] : texts.keys()) if (other !== me) ways.get(other)?.push([me, body]); }, changed() {} });
    for (const other of texts.keys()) ways.get(other).push([me, { have: text.have }]);
    ways.set(me, []);
    for (const [other, { have }] of texts) ways.get(me).push([other, { have }]);
    return texts.set(me, text).get(me);
  };
  const settle = () => { for (let way; (way = [...ways].find(([, said]) => said.length)); ) texts.get(way[0]).hear(...way[1].shift()); };
  const [one, two] = [joins("one"), joins("two")];
  settle();
  for (const body of script) one.hear("b", body);
  assert.equal(one.text, "Tea 🙂 at five");
  assert.deepEqual(one.have, script[0].have);
  const three = joins("three");
  settle();
  assert.ok(three.text === one.text && two.text === "");
  // What rests on what one has not is asked for.
  one.edit({ at: 0, deleted: 3, inserted: "Cake" });
  two.edit({ at: two.text.length, deleted: 0, inserted: "x".repeat(100_000) });
  settle();
  for (const text of texts.values()) assert.ok(text.text === one.text);
  assert.ok(one.text.length === 100_015 && one.text.includes("Cake 🙂 at five"));
  assert.equal(one.edit({ at: 0, deleted: 0, inserted: "y".repeat(200_000) }), false);
  const refused = one.refused;
  const bad = [null, 5, {}, [], { have: {} }, { have: { vector: "§", sum: 1 } }, { have: { vector: "/////w==", sum: 1 } }, { update: {} }, { update: { data: "???" } }, { update: { data: "CQkJ" } }, { want: { vector: "" } }, { constructor: {} }];
  for (const [count, body] of bad.entries()) {
    one.hear("two", body);
    assert.equal(one.refused, refused + count + 1, JSON.stringify(body));
  }
}
for (const [before, after, caret, ...change] of [
  ["", "a", 1, 0, 0, "a"], ["aaa", "aaaa", 2, 1, 0, "a"], ["aaa", "aa", 1, 1, 1, ""], ["one two", "one 2", 5, 4, 3, "2"], ["same", "same", 4, 4, 0, ""],
  ["🙂", "🙃", 2, 0, 2, "🙃"], ["a🙂b", "ab", 1, 1, 2, ""], ["🙂🙂", "🙂", 2, 2, 2, ""], ["abc", "", 0, 0, 3, ""],
]) {
  const found = difference(before, after, caret);
  assert.equal(before.slice(0, found.at) + found.inserted + before.slice(found.at + found.deleted), after);
  assert.deepEqual(Object.values(found), change, `${before} → ${after}`);
}

// -- A secret is proven to who knows it and has the certificate that it speaks of, to nobody else.

const { Exchange } = await import(join(web, "rooms/secret.js"));
const { encode, M, N, times, BASE, ORDER } = await import(join(web, "rooms/ed25519.js"));
assert.equal(Buffer.from(encode(times(BASE, ORDER - 1n))).toString("hex").slice(-2), "e6"); // -B: the base point with the sign of x
assert.ok(M && N);
const pair = { instance: 5, caller: "a", callee: "b" };
const [ours, theirs, wrong] = await Promise.all([["caller", "tea"], ["callee", "tea"], ["callee", "mint"]].map(([side, secret]) => Exchange.begin(secret, side, pair)));
const certificate = (value) => ({ dtls: { fingerprint: { "sha-256": value } } });
const [A, B] = [certificate("AA:01"), certificate(["BB:02"])];
assert.ok((await ours.finish(theirs.message)) && (await theirs.finish(ours.message)) && (await wrong.finish(ours.message)));
assert.ok(!(await ours.finish(theirs.message)), "one answer is one guess");
assert.ok((await theirs.verify(await ours.prove(A), B, A)) && (await ours.verify(await theirs.prove(B, A), A, B)));
assert.ok(!(await wrong.verify(await ours.prove(A), B, A)), "another secret");
assert.ok(!(await theirs.verify(await ours.prove(A), B, B)), "another certificate");
assert.ok(!(await ours.verify(await ours.prove(A), A, B)), "its own proof sent back");
assert.ok(!(await theirs.verify(await ours.prove(A), B, {})), "no certificate");

// -- What went by a hub that is lost is said once more to those who may not have it, and heard once.

{
  const { Trail } = await import(join(web, "rooms/trail.js"));
  const [failed, said] = [[], []];
  const way = (to) => ({ open: true, _put: ({ message }) => said.push([to, message.text]), _say: ({ message }) => said.push([to, message.seen.n]) });
  const others = [];
  const trail = new Trail({ knows: (userid) => /^(ada|bob|eve)$/.test(userid), others, talk: way, failed: (userid) => failed.push(userid) });
  const say = (text, to) => {
    const packed = { message: { text }, to };
    trail.number(packed);
    return packed.message.n;
  };
  const heard = () => said.splice(0);
  const again = (...userids) => {
    trail.lost([{ userid: "ada", active: true }, { userid: "bob", active: true }, { userid: "eve", active: false }]);
    for (const userid of userids) trail.sayAgain(userid, way(userid));
    return heard();
  };
  say("before anybody came");
  others.push("ada", "bob");
  say("not reached yet", "bob");
  assert.deepEqual(again("ada", "bob"), [["bob", "not reached yet"]]);
  trail.forget("bob");
  for (const userid of ["ada", "bob"]) trail.reach(userid, "hub");
  trail.reach("ada", "hub");
  assert.deepEqual(heard(), [["ada", 0], ["bob", 0]], "each is told once that numbers are");
  const one = say("one");
  assert.equal(say("two", "bob"), one + 1);
  assert.deepEqual(again("ada", "bob", "bob", "eve"), [["ada", "one"], ["bob", "one"], ["bob", "two"]], "who told nothing yet");
  trail.seen("ada", one + 2);
  trail.seen("nobody", one);
  assert.equal(again("ada").length, 1, "a number that was never said, and somebody who is not there");
  trail.seen("ada", one);
  trail.seen("bob", one);
  assert.deepEqual(again("ada", "bob"), [["bob", "two"]]);
  trail.forget("bob");
  trail.reach("eve", "hub");
  heard();
  for (let count = 0; count < 513; count += 1) say("many");
  assert.equal(again("ada").length, 512);
  assert.deepEqual(failed, ["ada"], "the oldest was dropped");
  trail.large("eve");
  trail.lost([{ userid: "eve", active: true }]);
  trail.sayAgain("eve", way("eve"));
  assert.deepEqual(failed, ["ada", "eve"], "what was too large to be kept");
  heard();
  const news = [["ada", 7], ["ada", 7], ["ada", 9], ["ada", 8], ["bob", 8], ["nobody", 8], ["nobody", 8]].map(([from, n]) => trail.isNew(from, n));
  assert.deepEqual(news, [true, false, true, false, true, true, true]);
  trail.end();
}

// -- What a lost connection had goes again once, in front of what is new.

{
  const { Unsure } = await import(join(web, "rooms/unsure.js"));
  const unsure = new Unsure();
  const goes = (...all) => all.forEach((one) => unsure.goes(one));
  unsure.begin();
  assert.ok(!unsure.waits);
  goes(0, 1, 2, 3, 4);
  unsure.begin();
  assert.deepEqual(unsure.got(2), [2, 3, 4], "lost before the count was heard");
  goes(2, 3, 4);
  assert.deepEqual(unsure.got(3), []);
  unsure.begin();
  assert.ok(unsure.waits);
  unsure.begin();
  assert.deepEqual(unsure.got(4), [4]);
  assert.ok(!unsure.waits);
  goes(4, 5, 6);
  unsure.got(6);
  unsure.begin();
  assert.deepEqual(unsure.got(6), [6]);
  goes(6, 7);
  unsure.begin();
  assert.deepEqual(unsure.got(0), [], "who lives anew counts from 0");
  goes(8);
  unsure.begin();
  assert.deepEqual([unsure.got("x"), unsure.got(0)], [[], [8]]);
}

const rooms = await import(join(web, "rooms.js"));
assert.deepEqual(Object.keys(rooms).sort(), ["BroadcastHub", "RoomsError", "Session", "WebSocketSignaller"]);
for (const [file, names] of [["ortc.d.ts", api], ["rooms.d.ts", rooms]]) {
  const typings = await readFile(join(web, file), "utf8");
  for (const name of Object.keys(names)) assert.match(typings, new RegExp(`export (class|function) ${name}\\b`));
}

console.log(`${names.length} modules`);
