// Runs inside the page. The wire carries ORTC parameters only: session
// descriptions are built and taken apart here and never leave the page.
"use strict";

const AUDIO = 0;
const DATA = 1;

let pc;
let microphone;
const heard = [];
let heardDigits = "";
let sentDigits = "";

async function open() {
  pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  pc.ondatachannel = ({ channel }) => {
    channel.binaryType = "arraybuffer";
    if (channel.label.startsWith("echo")) {
      channel.onmessage = ({ data }) => {
        channel.send(data);
        if (channel.label === "echo close") channel.close();
      };
      return;
    }
    channel.onmessage = ({ data }) => {
      heard.push(data);
      channel.send("echo:" + data);
    };
  };
  pc.ontrack = ({ track }) => listen(track);
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
  const events = attributes(audio, "rtpmap").filter((l) => /^\d+ telephone-event\//i.test(l));
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
        dtmf: events.map((l) => ({ payloadType: parseInt(l, 10), clockRate: Number(l.split("/")[1]) })),
      },
    },
  };
}

// The other peer's line, with these payload types -> its description.
function compose(line, setup, { payloadType, dtmf = [] }) {
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
    `m=audio 9 UDP/TLS/RTP/SAVPF ${[payloadType, ...dtmf.map((d) => d.payloadType)].join(" ")}`,
    ...shared(AUDIO),
    "a=rtcp-mux",
    "a=sendrecv",
    "a=msid:stream audio",
    `a=rtpmap:${payloadType} opus/48000/2`,
    ...dtmf.flatMap((d) => [
      `a=rtpmap:${d.payloadType} telephone-event/${d.clockRate}`,
      `a=fmtp:${d.payloadType} 0-15`,
    ]),
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

async function finishControlling(line, { payloadType, dtmf }) {
  const audio = { payloadType, dtmf: line.rtp.audio.dtmf && dtmf };
  await pc.setRemoteDescription({ type: "answer", sdp: compose(line, "active", audio) });
}

async function answerControlled(line) {
  await open();
  const { payloadType = 111, dtmf } = line.rtp.audio;
  await pc.setRemoteDescription({ type: "offer", sdp: compose(line, "actpass", { payloadType, dtmf }) });
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

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];
const KEYS = ["123A", "456B", "789C", "*0#D"];

// Power of one frequency (Goertzel).
function power(samples, frequency, rate) {
  const factor = 2 * Math.cos((2 * Math.PI * frequency) / rate);
  let [last, beforeLast] = [0, 0];
  for (const sample of samples) [last, beforeLast] = [sample + factor * last - beforeLast, last];
  return last * last + beforeLast * beforeLast - factor * last * beforeLast;
}

// The key whose two tones make up most of the sound.
function key(samples, rate) {
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
  if (energy / samples.length < 1e-5) return undefined;
  const loudest = (frequencies) => {
    const powers = frequencies.map((frequency) => power(samples, frequency, rate));
    const most = Math.max(...powers);
    return [powers.indexOf(most), most];
  };
  const [[row, low], [column, high]] = [loudest(ROWS), loudest(COLUMNS)];
  const share = ((low + high) * 2) / (energy * samples.length);
  return share > 0.6 ? KEYS[row][column] : undefined;
}

// Hears keys in what the browser renders. Less than 30 ms are neither a key nor a gap: for each
// repetition of an end packet Chromium renders 10 ms once more.
async function listen(track) {
  // The browser renders only what is played.
  const player = new Audio();
  player.srcObject = new MediaStream([track]);
  player.play();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  let [sounding, last, lasted] = [];
  for (;;) {
    const { value: data, done } = await reader.read();
    if (done) return;
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    const now = key(samples, data.sampleRate);
    lasted = (now === last ? lasted : 0) + data.numberOfFrames / data.sampleRate;
    last = now;
    if (lasted > 0.029 && now !== sounding) {
      sounding = now;
      heardDigits += now ?? "";
    }
    data.close();
  }
}

// A sender can take digits a little after the connection is there, on a busy machine.
async function press(digits) {
  const { dtmf } = pc.getSenders().find((sender) => sender.dtmf);
  const deadline = performance.now() + 20_000;
  while (!dtmf.canInsertDTMF) {
    if (performance.now() > deadline) throw new Error(`no digits can be sent: ${pc.connectionState}, ${pc.iceConnectionState}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  dtmf.ontonechange = ({ tone }) => (sentDigits += tone);
  dtmf.insertDTMF(digits);
}

async function result(seconds, digits) {
  await connected(20_000);
  if (digits) await press(digits);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const stats = [...(await pc.getStats()).values()];
  const of = (type) => stats.find((entry) => entry.type === type) ?? {};
  return {
    ice: pc.iceConnectionState,
    dtls: of("transport").dtlsState ?? "new",
    srtp_in: of("inbound-rtp").packetsReceived ?? 0,
    srtp_out: of("outbound-rtp").packetsSent ?? 0,
    dc: heard,
    dtmf_in: heardDigits,
    dtmf_out: sentDigits,
    tls: of("transport").tlsVersion,
    ice_role: of("transport").iceRole,
    dtls_role: of("transport").dtlsRole,
  };
}
