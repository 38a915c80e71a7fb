// The draft's page, as written in 2013.
import { RTCIceCandidateDescription } from "./candidate.js";
import { getRTCCapabilities, getRTCCodec } from "./capabilities.js";
import { RTCConnection } from "./connection.js";
import { RTCTrackDescription } from "./description.js";
import { attachedDtmf, DTMFMediaStreamTrack } from "./dtmf.js";
import { RTCSocket } from "./socket.js";
import { RTCTrack } from "./track.js";

/**
 * Puts the names where the draft has them: the classes on `scope`, the capabilities on its
 * `navigator`. With `{ page: true }` also brings back what pages of 2013 relied on and browsers
 * have dropped since: `navigator.getUserMedia` with callbacks, `URL.createObjectURL` of a stream,
 * and DTMF tracks in a MediaStream.
 */
export function install(scope = globalThis, { page = true } = {}) {
  Object.assign(scope, { RTCConnection, RTCTrack, RTCTrackDescription, RTCIceCandidateDescription, RTCSocket, DTMFMediaStreamTrack });
  Object.assign(scope.navigator, { getRTCCapabilities, getRTCCodec });
  if (!page) return;
  Object.defineProperty(scope.navigator, "getUserMedia", {
    configurable: true,
    value: (wanted, got, failed) => { scope.navigator.mediaDevices.getUserMedia(wanted).then(got, failed); },
  });
  const streams = new Map();
  const { createObjectURL } = scope.URL;
  scope.URL.createObjectURL = (object) => {
    if (!(object instanceof scope.MediaStream)) return createObjectURL.call(scope.URL, object);
    const url = `mediastream:${object.id}`;
    streams.set(url, object);
    return url;
  };
  const src = Object.getOwnPropertyDescriptor(scope.HTMLMediaElement.prototype, "src");
  Object.defineProperty(scope.HTMLMediaElement.prototype, "src", {
    ...src,
    set(url) {
      if (streams.has(url)) this.srcObject = streams.get(url);
      else src.set.call(this, url);
    },
  });
  const { addTrack } = scope.MediaStream.prototype;
  scope.MediaStream.prototype.addTrack = function (track) {
    if (!(track instanceof DTMFMediaStreamTrack)) return addTrack.call(this, track);
    attachedDtmf.set(this, [...(attachedDtmf.get(this) ?? []), track]);
    return track;
  };
}
