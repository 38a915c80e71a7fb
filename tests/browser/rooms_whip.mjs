// A client of WHIP publishes, as the browser speaks it by itself, and aiortc; a page of the room and clients of WHEP of both watch, by a server with a hub and one without.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { assert, pause, run } from "./harness.mjs";
import { enterRoom, happens, lobby, serve } from "./rooms.mjs";

const root = join(import.meta.dirname, "../..");

/** By RFC 9725 and draft-ietf-wish-whep: one offer with all its candidates, one answer. */
function client() {
  const gathered = (connection) => new Promise((resolve) => {
    const look = () => connection.iceGatheringState === "complete" && resolve();
    connection.onicegatheringstatechange = look;
    look();
  });
  const post = async (address, token, connection) => {
    await connection.setLocalDescription();
    await gathered(connection);
    const headers = { "content-type": "application/sdp", ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(address, { method: "POST", headers, body: connection.localDescription.sdp });
    if (response.status !== 201) return { status: response.status, detail: await response.text() };
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
    return { status: 201, place: new URL(response.headers.get("location"), address).href, connection };
  };
  window.whip = async (address, token) => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
    const connection = new RTCPeerConnection();
    for (const track of stream.getTracks()) connection.addTransceiver(track, { direction: "sendonly" });
    return (window.published = await post(address, token, connection));
  };
  window.whep = async (address, token) => {
    const connection = new RTCPeerConnection();
    const stream = new MediaStream();
    connection.ontrack = ({ track }) => stream.addTrack(track);
    for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
    const begun = performance.now();
    const made = await post(address, token, connection);
    if (made.status !== 201) return made;
    const video = Object.assign(document.createElement("video"), { srcObject: stream, autoplay: true });
    document.body.append(video);
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    const figures = async () => {
      const inbound = [...(await connection.getStats()).values()].filter(({ type }) => type === "inbound-rtp");
      const of = (wanted) => inbound.find(({ kind }) => kind === wanted) ?? {};
      return { width: video.videoWidth, frames: of("video").framesDecoded, samples: of("audio").totalSamplesReceived, energy: of("audio").totalAudioEnergy };
    };
    window.watched = { ...made, figures, first: Math.round(performance.now() - begun) };
    return { status: made.status, place: made.place, first: window.watched.first };
  };
  window.end = async ({ place, connection }, token) => {
    const { status } = await fetch(place, { method: "DELETE", headers: token ? { authorization: `Bearer ${token}` } : {} });
    connection.close();
    return status;
  };
}

/** Each by itself, on an empty page of the server's own. */
async function program(test, server) {
  const page = await test.page(`${server.url}/rooms/words.txt`);
  await page.evaluate(client);
  return page;
}

/** aiortc, another stack than any browser's and ours: see tests/peers/aiortc_whip.py. */
function aiortc(test, ...words) {
  const python = process.env.ORTC_VENV_PYTHON ?? join(root, "target/venv/bin/python");
  const child = spawn(python, [join(root, "tests/peers/aiortc_whip.py"), ...words], { stdio: ["pipe", "pipe", "inherit"] });
  test.cleanup.push(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async tells() {
      const late = pause(60_000).then(() => { throw new Error(`aiortc ${words[0]} says nothing`); });
      const { value, done } = await Promise.race([lines.next(), late]);
      assert(!done, `aiortc ${words[0]} has ended`);
      return JSON.parse(value);
    },
    end() { child.stdin.end(); },
  };
}

/** Until a player has had a second of picture and sound. */
async function heard(player) {
  for (const end = Date.now() + 30_000; ; await pause(100)) {
    const figures = await player.evaluate(() => window.watched.figures());
    if (figures.frames > 25 && figures.samples > 48_000 && figures.energy > 0.001) return figures;
    assert(Date.now() < end, `never played: ${JSON.stringify(figures)}`);
  }
}

await run("rooms_whip", 150, async (test) => {
  for (const more of [[], ["--hub"]]) {
    const server = await serve(test, "--whip", ...more);
    const ada = await lobby(test, `${server.url}/`);
    await ada.uncheck("#use-camera");
    await ada.uncheck("#use-mic");
    await enterRoom(ada, { name: "Ada", room: "show" });
    if (more.length) {
      await ada.evaluate(() => session.setPolicy({ topology: "hub" }));
      await happens(ada, () => session.rooms[0].policy.topology === "hub", "the rule");
    }
    const streams = await program(test, server);
    const made = await streams.evaluate((at) => window.whip(at).then(({ status, place, detail }) => ({ status, place, detail })), `${server.url}/whip/show?name=Studio`);
    assert(made.status === 201, JSON.stringify(made));

    // The page: a tile with its name, and a picture that moves.
    const tile = () => {
      const tile = [...document.querySelectorAll("#tiles .tile")].find((one) => one.textContent.includes(window.wanted ?? "Studio"));
      const video = tile?.querySelector("video");
      return video?.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 25;
    };
    await happens(ada, tile, "the picture of the program");
    if (more.length) await happens(ada, () => session.peers.every(({ byHub }) => byHub), "by the hub");

    // A player, which comes later.
    const player = await program(test, server);
    const watching = await player.evaluate((at) => window.whep(at), `${server.url}/whep/show`);
    assert(watching.status === 201, JSON.stringify(watching));
    const figures = await heard(player);
    console.log(`${more.join(" ") || "mesh"}: the player's first picture after ${watching.first} ms, ${JSON.stringify(figures)}`);
    // An inspector, whom all see.
    await happens(ada, () => session.rooms[0].users.size >= 2 && [...session.rooms[0].users.values()].some(({ role }) => role === "inspector"), "that it is watched");

    assert((await player.evaluate(() => window.end(window.watched))) === 200, "the player's end");
    assert((await streams.evaluate(() => window.end(window.published))) === 200, "the program's end");
    await happens(ada, () => session.peers.length === 0 && ![...document.querySelectorAll("#tiles .tile")].some((one) => one.textContent.includes("Studio")), "that it has left");

    // Both once more by aiortc.
    const camera = aiortc(test, "publish", `${server.url}/whip/show?name=Tower`);
    assert((await camera.tells()).status === 201, "aiortc publishes");
    await ada.evaluate(() => { window.wanted = "Tower"; });
    await happens(ada, tile, "the picture of aiortc");
    const viewer = aiortc(test, "watch", `${server.url}/whep/show`);
    assert((await viewer.tells()).status === 201, "aiortc watches");
    const seen = await viewer.tells();
    assert(seen.width === 320 && seen.height === 180 && seen.samples >= 48_000, JSON.stringify(seen));
    assert((await viewer.tells()).ended === 200, "the end of aiortc that watches");
    camera.end();
    assert((await camera.tells()).ended === 200, "the end of aiortc that publishes");
    await happens(ada, () => session.peers.length === 0, "that aiortc has left");
    for (const page of [streams, player, ada]) await page.close();
    await server.kill();
    test.forgive(/WebSocket|ERR_CONNECTION_REFUSED|404/); // Browsers ask for a favicon.
  }
});
