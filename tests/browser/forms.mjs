// What a page takes as JSON: every name, what browsers signal, and what is pasted by mistake.
import { assert, run } from "./harness.mjs";

const SDP = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-pwd:c0ffee\r\n";
const LINE = "candidate:842163049 1 udp 1677729535 203.0.113.9 46154 typ srflx raddr 10.0.0.1 rport 9 generation 0 network-cost 999";

await run("forms", 90, async (test) => {
  const page = await test.page();

  // A candidate as RTCIceCandidate.toJSON() gives it, and as the line alone.
  const candidates = await page.evaluate((line) => [
    { candidate: line, sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "Kx3a" },
    { candidate: `${line} ufrag Kx3a`, sdpMid: "0", sdpMLineIndex: 0, usernameFragment: null },
    `a=${line} ufrag Kx3a`,
    new RTCIceCandidate({ candidate: `${line} ufrag Kx3a`, sdpMid: "0" }).toJSON(),
    new RTCIceCandidate({ candidate: `${line} ufrag Kx3a`, sdpMid: "0" }),
  ].map((raw) => JSON.stringify(new ortc.RTCIceCandidateDescription(raw))), LINE);
  const expected = JSON.stringify({
    foundation: "842163049", component: 1, transport: "udp", priority: 1677729535, connectionAddress: "203.0.113.9",
    connectionPort: 46154, type: "srflx", relAddress: "10.0.0.1", relPort: 9, usernameFrag: "Kx3a",
  });
  for (const found of candidates) assert(found === expected, found);

  // Each entry point says what a thing is and what it wants.
  const refused = await page.evaluate(async ([sdp, line]) => {
    const connection = new ortc.RTCConnection();
    await connection.ready;
    const say = (work) => {
      try {
        work();
        return "taken";
      } catch (error) {
        return `${error.name}: ${error.message}`;
      }
    };
    const entries = {
      side: (raw) => connection.setRemote(raw),
      "side:": (raw) => { connection.remote = raw; },
      candidate: (raw) => connection.setRemoteCandidate(raw),
      "candidate:": (raw) => connection.setLocalCandidate(raw),
      track: (raw) => connection.receiveTrack(raw),
    };
    const pasted = [{ type: "offer", sdp }, { type: "answer", sdp }, { type: "rollback" }, { sdp }, sdp, new RTCSessionDescription({ type: "offer", sdp }),
      JSON.stringify({ type: "offer", sdp }), { description: { type: "offer", sdp } }, { sdp: { type: "offer", sdp } }, { jsep: { type: "answer", sdp } }];
    const found = [];
    for (const [wanted, entry] of Object.entries(entries)) {
      for (const raw of pasted) found.push([wanted, "SDP", say(() => entry(raw))]);
      for (const raw of [null, undefined, 7, "hello", [], JSON.stringify({ ice: { password: "c0ffee" } })]) found.push([wanted, "this is", say(() => entry(raw))]);
      if (wanted.startsWith("candidate")) {
        for (const raw of ["", { candidate: "", sdpMid: "0" }, { candidate: null }]) found.push([wanted, raw === "" ? "this is" : "end of candidates", say(() => entry(raw))]);
        found.push([wanted, "message", say(() => entry({ candidate: { type: "host" } }))]);
        found.push([wanted, "a candidate has", say(() => entry({ kind: "video", ssrc: 7 }))]);
        found.push([wanted, "malformed", say(() => entry({ candidate: "candidate:1 1 udp x" }))]);
      } else {
        for (const raw of [line, { candidate: line, sdpMid: "0" }]) found.push([wanted, "ICE candidate", say(() => entry(raw))]);
      }
    }
    connection.close();
    return found;
  }, [SDP, LINE]);
  for (const [wanted, what, said] of refused) {
    const named = said.startsWith("InvalidAccessError") && said.includes(what) && !said.includes("c0ffee");
    assert(named && (["end of candidates", "malformed"].includes(what) || said.includes(wanted.replace(":", ""))), `${wanted}, ${what}: ${said}`);
  }

  // Codecs as the final specification and its libraries have them.
  const codecs = await page.evaluate(() => [
    { "payload-id": 97, name: "rtx", kind: "video", clockRate: 90000, params: [{ name: "apt", value: "96" }] },
    { mimeType: "video/rtx", payloadType: 97, clockRate: 90000, parameters: { apt: 96 } },
    { preferredPayloadType: 97, payloadId: null, name: "rtx", kind: "video", hzRate: 90000, channels: null, params: null, parameters: { apt: "96" } },
    { mimeType: "video/rtx", payloadType: 97, clockRate: 90000, sdpFmtpLine: "apt=96" },
  ].map((codec) => JSON.stringify(new ortc.RTCTrackDescription({ kind: "video", ssrc: 7, msid: null, codecs: [codec] }).codecs)));
  for (const found of codecs) assert(found === codecs[0], found);

  const nulls = await page.evaluate(() => JSON.stringify(new ortc.RTCTrackDescription({
    kind: "video", ssrc: 7, codecs: [], rtx: { ssrc: null }, rtcp: { cname: null, mux: true }, rtpExtHeaders: { "urn:a": null, "urn:b": "1" },
    encodings: [{ ssrc: null, rid: "a", rtx: { ssrc: null } }], mediaAttributes: [{ rid: null, maxBitrate: 5 }], fec: null,
  })));
  const bare = { kind: "video", ssrc: "7", msid: [], codecs: [], mediaAttributes: [{ maxBitrate: 5 }], rtpExtHeaders: { "urn:b": "1" }, headerExtensions: [], encodings: [{ rid: "a", rtx: {} }], rtcp: { mux: true } };
  assert(nulls === JSON.stringify(bare), nulls);

  // How large a message may be is the peer's to say.
  const sizes = await page.evaluate(async () => {
    const most = async (sctp) => {
      const [a, b] = [new ortc.RTCConnection(), new ortc.RTCConnection()];
      await Promise.all([a.ready, b.ready]);
      for (const [from, to] of [[a, b], [b, a]]) from.oncandidate = ({ candidate }) => to.setRemoteCandidate(candidate);
      const channel = a.createDataChannel("x");
      a.setRemote({ ...b.local, ...sctp });
      b.setRemote(a.local);
      a.connect();
      b.connect();
      await until(() => channel.readyState === "open", "an open channel");
      const fits = (bytes) => {
        try {
          channel.send(new Uint8Array(bytes));
          return true;
        } catch {
          return false;
        }
      };
      const found = [];
      for (const bytes of [1000, 1001, 65536, 65537, 262144]) found.push(fits(bytes));
      a.close();
      b.close();
      return found.map(Number).join("");
    };
    const found = [];
    for (const sctp of [{}, { sctp: null }, { sctp: {} }, { sctp: { port: null, maxMessageSize: null } }, { sctp: { port: 5000, maxMessageSize: 1000 } }, { sctp: { maxMessageSize: 0 } }]) {
      found.push(await most(sctp));
    }
    return found.join();
  });
  assert(sizes === "11111,11111,11100,11100,10000,11111", sizes);

  // Of more connections than are prepared, the last one's first offer is made after its camera got three sizes.
  const sections = await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    const made = Array.from({ length: 6 }, () => {
      const connection = new ortc.RTCConnection();
      const [track] = connection.addStream(stream);
      track.mediaAttributes = ["q", "h", "f"].map((rid) => ({ rid }));
      return { connection, track };
    });
    const found = await Promise.all(made.map(async ({ connection, track }) => {
      await track.ready;
      const { muxId } = track.getDescription();
      connection.close();
      return Number(muxId);
    }));
    stream.getTracks().forEach((track) => track.stop());
    return found;
  });
  // Those of one size are the first five.
  assert(sections.every((mid) => mid >= 5), `three sizes are in the sections ${sections}`);
});
