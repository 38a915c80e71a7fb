#!/usr/bin/env python3
"""aiortc as a client of WHIP or WHEP.

    aiortc_whip.py publish|watch URL [--token WORD]

By RFC 9725 and draft-ietf-wish-whep: one offer with all candidates, one answer, and DELETE at the
end. `publish` sends a picture that moves and a tone until its standard input ends; `watch` ends
when it has had a second of both. What happens goes to standard output, a JSON object a line.
"""

import argparse
import asyncio
import fractions
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import av
import numpy
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

RATE = 48000
FRAME = RATE // 50
SIZE = (320, 180)
PATIENCE_SECONDS = 60


def tell(**object):
    print(json.dumps(object), flush=True)


class Picture(VideoStreamTrack):
    """A bar that goes from left to right."""

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        width, height = SIZE
        pixels = numpy.zeros((height, width, 3), numpy.uint8)
        at = pts // 3000 * 4 % width
        pixels[:, at : at + 16] = 255
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(MediaStreamTrack):
    """440 Hz in 20 ms frames, paced by the event loop's clock."""

    kind = "audio"
    sent = 0
    begun = None

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.begun = self.begun or now
        await asyncio.sleep(self.begun + self.sent / RATE - now)
        at = numpy.arange(self.sent, self.sent + FRAME)
        samples = (8000 * numpy.sin(2 * numpy.pi * 440 * at / RATE)).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.sent, fractions.Fraction(1, RATE)
        self.sent += FRAME
        return frame


def request(method, url, token, body=None):
    headers = {"Content-Type": "application/sdp"} if body else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    asked = urllib.request.Request(url, body and body.encode(), headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.headers.get("Location"), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, None, error.read().decode()


async def meet(connection, url, token):
    """Where the session is."""
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    status, place, answer = await asyncio.to_thread(request, "POST", url, token, offer)
    tell(status=status, detail=None if status == 201 else answer)
    if status != 201:
        sys.exit(1)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return urllib.parse.urljoin(url, place)


async def publish(connection, url, token):
    connection.addTrack(Picture())
    connection.addTrack(Tone())
    place = await meet(connection, url, token)
    await asyncio.to_thread(sys.stdin.read)
    return place


async def watch(connection, url, token):
    for kind in ("audio", "video"):
        connection.addTransceiver(kind, direction="recvonly")
    place = await meet(connection, url, token)
    tracks = {one.receiver.track.kind: one.receiver.track for one in connection.getTransceivers()}

    async def pictures():
        seen = set()
        while len(seen) < 25:
            frame = await tracks["video"].recv()
            # The bar's place says that they are not all the same.
            seen.add(int(frame.to_ndarray(format="gray").mean(axis=0).argmax()))
        return frame.width, frame.height

    async def sound():
        heard, loud = 0, 0
        while heard < RATE or loud < RATE // 2:
            frame = await tracks["audio"].recv()
            heard += frame.samples
            if numpy.abs(frame.to_ndarray()).max() > 1000:
                loud += frame.samples
        return heard

    (width, height), samples = await asyncio.gather(pictures(), sound())
    tell(width=width, height=height, samples=samples)
    return place


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("publish", "watch"))
    parser.add_argument("url")
    parser.add_argument("--token")
    options = parser.parse_args()
    connection = RTCPeerConnection()
    does = {"publish": publish, "watch": watch}[options.what]
    try:
        place = await does(connection, options.url, options.token)
        status, _, _ = await asyncio.to_thread(request, "DELETE", place, options.token)
        tell(ended=status)
    finally:
        await connection.close()


asyncio.run(main())
