#!/usr/bin/env python3
"""aiortc's ORTC objects as a line peer.

    aiortc_line.py controlling|controlled [--seconds N]

The protocol is described in README.md beside this file. Only aiortc's ORTC
objects are used: no session description is made or read.
"""

import argparse
import asyncio
import fractions
import json
import math
import os
import sys

import av
import numpy
from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSctpCapabilities,
    RTCSctpTransport,
)
from aiortc.rtcrtpparameters import (
    RTCRtpDecodingParameters,
    RTCRtpEncodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtcsctptransport import ShutdownChunk
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

RATE = 48000
FRAME = RATE // 50
PAYLOAD_TYPE = 111
SET_UP_SECONDS = 40
# More than a slow machine needs; nobody waits for it otherwise.
PATIENCE_SECONDS = 60


class Sine(MediaStreamTrack):
    """440 Hz in 20 ms frames, paced by the event loop's clock."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.position = 0
        self.start = None

    async def recv(self):
        now = asyncio.get_running_loop().time()
        if self.start is None:
            self.start = now
        await asyncio.sleep(max(0.0, self.start + self.position / RATE - now))
        phase = 2 * math.pi * 440 / RATE * (numpy.arange(FRAME) + self.position)
        samples = (6000 * numpy.sin(phase)).astype(numpy.int16).reshape(1, FRAME)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = RATE
        frame.pts = self.position
        frame.time_base = fractions.Fraction(1, RATE)
        self.position += FRAME
        return frame


def say(value):
    print(json.dumps(value), flush=True)


async def read_line():
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if not line:
        raise EOFError("no line from the other peer")
    return json.loads(line)


async def drain(track):
    while True:
        await track.recv()


async def packets(side, kind, member):
    report = await side.getStats()
    return sum(getattr(entry, member) for entry in report.values() if entry.type == kind)


async def say_last(last, sctp, dtls):
    """The only word of a peer that leaves; the process ends with it."""
    if last == "abort":
        await sctp.stop()
    elif last == "shutdown":
        # What usrsctp says. aiortc itself only ever answers it.
        chunk = ShutdownChunk()
        chunk.cumulative_tsn = sctp._last_received_tsn
        await sctp._send_chunk(chunk)
    elif last == "close_notify":
        await dtls.stop()


async def run(role, seconds, last):
    controlling = role == "controlling"
    gatherer = RTCIceGatherer(iceServers=[])
    ice = RTCIceTransport(gatherer)
    dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    sctp = RTCSctpTransport(dtls)
    sender = RTCRtpSender(Sine(), dtls)
    receiver = RTCRtpReceiver("audio", dtls)
    ssrc = sender._ssrc

    await gatherer.gather()
    credentials = gatherer.getLocalParameters()
    local_dtls = dtls.getLocalParameters()
    say(
        {
            "ice": {
                "usernameFragment": credentials.usernameFragment,
                "password": credentials.password,
            },
            "candidates": [candidate_to_sdp(c) for c in gatherer.getLocalCandidates()],
            "dtls": {
                "role": local_dtls.role,
                "fingerprints": [
                    {"algorithm": f.algorithm, "value": f.value}
                    for f in local_dtls.fingerprints
                ],
            },
            "sctp": {"port": sctp.port, "maxMessageSize": 65536},
            "rtp": {"audio": {"ssrc": ssrc, "payloadType": PAYLOAD_TYPE}},
        }
    )

    remote = await read_line()

    # aiortc has no public member for either role outside its peer connection.
    ice._connection.ice_controlling = controlling
    dtls._set_role("server" if controlling else "client")

    for line in remote["candidates"]:
        await ice.addRemoteCandidate(candidate_from_sdp(line))
    await ice.addRemoteCandidate(None)
    remote_ice = RTCIceParameters(
        usernameFragment=remote["ice"]["usernameFragment"],
        password=remote["ice"]["password"],
    )
    await asyncio.wait_for(ice.start(remote_ice), SET_UP_SECONDS)
    fingerprints = [RTCDtlsFingerprint(**f) for f in remote["dtls"]["fingerprints"]]
    remote_dtls = RTCDtlsParameters(
        fingerprints=fingerprints, role=remote["dtls"].get("role", "auto")
    )
    await asyncio.wait_for(dtls.start(remote_dtls), SET_UP_SECONDS)

    audio = remote["rtp"]["audio"]
    payload_type = audio.get("payloadType") or PAYLOAD_TYPE
    opus = RTCRtpCodecParameters(
        mimeType="audio/opus", clockRate=RATE, channels=2, payloadType=payload_type
    )
    encoding = RTCRtpEncodingParameters(ssrc=ssrc, payloadType=payload_type)
    await sender.send(
        RTCRtpSendParameters(
            codecs=[opus],
            rtcp=RTCRtcpParameters(cname="aiortc", ssrc=ssrc),
            encodings=[encoding],
        )
    )
    # Outside the peer connection nobody gives the receiver its track.
    receiver._track = RemoteStreamTrack(kind="audio")
    decoding = RTCRtpDecodingParameters(ssrc=audio["ssrc"], payloadType=payload_type)
    await receiver.receive(
        RTCRtpReceiveParameters(
            codecs=[opus],
            rtcp=RTCRtcpParameters(cname="peer"),
            encodings=[decoding],
        )
    )
    draining = asyncio.ensure_future(drain(receiver.track))

    heard = []
    held = []

    def answer(channel):
        held.append(channel)
        if channel.label.startswith("echo"):

            @channel.on("message")
            def on_echo(message):
                channel.send(message)
                if channel.label == "echo close":
                    channel.close()

            return

        @channel.on("message")
        def on_message(message):
            heard.append(message)
            channel.send("echo:" + message)

    sctp.on("datachannel", answer)
    capabilities = RTCSctpCapabilities(maxMessageSize=remote["sctp"]["maxMessageSize"])
    await sctp.start(capabilities, remote["sctp"]["port"])
    if controlling:
        # The DTLS server owns the odd stream identifiers (RFC 8832 section 6).
        channel = RTCDataChannel(sctp, RTCDataChannelParameters(label="ortc", id=1))
        channel.on("message", heard.append)
        channel.on("open", lambda: channel.send("hello ortc"))
        if channel.readyState == "open":
            channel.send("hello ortc")

    await asyncio.sleep(seconds)
    for _ in range(PATIENCE_SECONDS * 10):
        if heard:
            break
        await asyncio.sleep(0.1)
    say(
        {
            "impl": "aiortc",
            "role": role,
            "ice": ice.state,
            "dtls": dtls.state,
            "srtp_in": await packets(receiver, "inbound-rtp", "packetsReceived"),
            "srtp_out": await packets(sender, "outbound-rtp", "packetsSent"),
            "dc": heard,
        }
    )
    draining.cancel()
    # Stay until the reader hangs up, so that the other side counts undisturbed.
    end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait([end], timeout=PATIENCE_SECONDS)
    await say_last(last, sctp, dtls)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["controlling", "controlled"])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--last", choices=["abort", "shutdown", "close_notify"])
    options = parser.parse_args()
    code = 0
    try:
        asyncio.run(asyncio.wait_for(run_and_leave(options), 3 * PATIENCE_SECONDS + options.seconds))
    except Exception as error:
        say({"impl": "aiortc", "role": options.role, "error": repr(error)})
        code = 1
    leave(code)


async def run_and_leave(options):
    await run(options.role, options.seconds, options.last)
    # asyncio.run would wait for the thread that still reads stdin.
    leave(0)


def leave(code):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
