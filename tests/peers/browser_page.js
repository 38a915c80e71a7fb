// Runs inside the page. The wire carries ORTC parameters only: session
// descriptions are built and taken apart here and never leave the page.
"use strict";

const AUDIO = 0;
const DATA = 1;

let pc;
let microphone;
const heard = [];

async function open() {
  pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  pc.ondatachannel = ({ channel }) => {
    channel.onmessage = ({ data }) => {
      heard.push(data);
      channel.send("echo:" + data);
    };
  };
  // Having the microphone also makes the browser list its addresses openly.
  microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  for (const track of microphone.getAudioTracks()) pc.addTrack(track, microphone);
}

function gathered() {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState === "complete") resolve();
    });
  });
}

// Own description -> line.
function describe(sdp) {
  const attributes = (text, name) =>
    text.split("\r\n").filter((l) => l.startsWith(`a=${name}:`)).map((l) => l.slice(name.length + 3));
  const [session, ...sections] = sdp.split(/^(?=m=)/m);
  const audio = sections[AUDIO];
  const [algorithm, value] = (attributes(audio, "fingerprint")[0] ?? attributes(session, "fingerprint")[0]).split(" ");
  const isUdpRtp = (line) => {
    const [, component, transport] = line.split(" ");
    return component === "1" && transport.toLowerCase() === "udp";
  };
  const opus = attributes(audio, "rtpmap").find((l) => /^\d+ opus\//i.test(l));
  const data = sections[DATA];
  return {
    ice: {
      usernameFragment: attributes(audio, "ice-ufrag")[0],
      password: attributes(audio, "ice-pwd")[0],
    },
    candidates: [...new Set(attributes(audio, "candidate"))].filter(isUdpRtp),
    dtls: { role: "auto", fingerprints: [{ algorithm, value }] },
    sctp: {
      port: Number(attributes(data, "sctp-port")[0]),
      maxMessageSize: Number(attributes(data, "max-message-size")[0]),
    },
    rtp: {
      audio: {
        ssrc: Number(attributes(audio, "ssrc")[0].split(" ")[0]),
        payloadType: parseInt(opus, 10),
      },
    },
  };
}

// The other peer's line -> its description.
function compose(line, setup, payloadType) {
  const shared = (mid) => [
    "c=IN IP4 0.0.0.0",
    `a=mid:${mid}`,
    `a=ice-ufrag:${line.ice.usernameFragment}`,
    `a=ice-pwd:${line.ice.password}`,
    ...line.dtls.fingerprints.map((f) => `a=fingerprint:${f.algorithm} ${f.value}`),
    `a=setup:${setup}`,
  ];
  return [
    "v=0",
    "o=- 0 0 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${AUDIO} ${DATA}`,
    `m=audio 9 UDP/TLS/RTP/SAVPF ${payloadType}`,
    ...shared(AUDIO),
    "a=rtcp-mux",
    "a=sendrecv",
    "a=msid:stream audio",
    `a=rtpmap:${payloadType} opus/48000/2`,
    `a=ssrc:${line.rtp.audio.ssrc} cname:peer`,
    ...line.candidates.map((c) => `a=candidate:${c}`),
    "a=end-of-candidates",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...shared(DATA),
    `a=sctp-port:${line.sctp.port}`,
    `a=max-message-size:${line.sctp.maxMessageSize}`,
    "",
  ].join("\r\n");
}

async function localLine() {
  await gathered();
  return describe(pc.localDescription.sdp);
}

async function startControlling() {
  await open();
  const channel = pc.createDataChannel("ortc");
  channel.onmessage = ({ data }) => heard.push(data);
  channel.onopen = () => channel.send("hello ortc");
  await pc.setLocalDescription();
  return localLine();
}

async function finishControlling(line, payloadType) {
  await pc.setRemoteDescription({ type: "answer", sdp: compose(line, "active", payloadType) });
}

async function answerControlled(line) {
  await open();
  const payloadType = line.rtp.audio.payloadType ?? 111;
  await pc.setRemoteDescription({ type: "offer", sdp: compose(line, "actpass", payloadType) });
  const answer = await pc.createAnswer();
  // The controlled side is the DTLS client.
  const sdp = answer.sdp.replace(/^a=setup:.*$/gm, "a=setup:active");
  await pc.setLocalDescription({ type: "answer", sdp });
  return localLine();
}

async function connected(milliseconds) {
  const deadline = performance.now() + milliseconds;
  while (pc.connectionState !== "connected" && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function result(seconds) {
  await connected(20_000);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const stats = [...(await pc.getStats()).values()];
  const of = (type) => stats.find((entry) => entry.type === type) ?? {};
  return {
    ice: pc.iceConnectionState,
    dtls: of("transport").dtlsState ?? "new",
    srtp_in: of("inbound-rtp").packetsReceived ?? 0,
    srtp_out: of("outbound-rtp").packetsSent ?? 0,
    dc: heard,
    tls: of("transport").tlsVersion,
    ice_role: of("transport").iceRole,
    dtls_role: of("transport").dtlsRole,
  };
}
