// Reading the browser's own descriptions: what it chose is what the peer is told. Needs no browser.
import { draftName, readFmtp } from "./codecs.js";

/** The sections of a description. */
export function eat(sdp) {
  const [head, ...bodies] = sdp.split(/\r?\n(?=m=)/);
  const read = (text) => {
    const lines = text.split(/\r?\n/);
    const all = (name) => lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));
    return { lines, all, one: (name) => all(name)[0] };
  };
  const session = read(head);
  const sections = bodies.map((body) => {
    const { lines, all, one } = read(body);
    const [, media, port, , formats] = /^m=(\S+) (\d+) (\S+) (.*)$/.exec(lines[0]);
    const codecs = formats.split(" ").flatMap((format) => {
      const map = all("rtpmap").find((line) => line.startsWith(`${format} `));
      if (!map) return [];
      const [name, rate, channels] = map.slice(format.length + 1).split("/");
      const fmtp = all("fmtp").find((line) => line.startsWith(`${format} `))?.slice(format.length + 1);
      const codec = { "payload-id": Number(format), name: draftName(name) };
      if (codec.name === "dtmf") codec.kind = "dtmf";
      codec.clockRate = Number(rate);
      if (channels) codec.numChannels = Number(channels);
      const params = readFmtp(fmtp);
      if (params.length) codec.params = params;
      return [codec];
    });
    const sources = [...new Set(all("ssrc").map((line) => line.split(" ")[0]))];
    const pairs = all("ssrc-group").filter((line) => line.startsWith("FID ")).map((line) => line.split(" ").slice(1));
    return {
      media,
      mid: one("mid"),
      // RFC 8843 section 6: port 0 with bundle-only is alive.
      rejected: port === "0" && !lines.includes("a=bundle-only"),
      codecs,
      extensions: all("extmap").map((line) => {
        const [id, uri] = line.split(" ");
        return { uri, id: parseInt(id, 10) };
      }),
      ssrc: sources[0],
      rtx: pairs.find(([media]) => media === sources[0])?.[1],
      cname: all("ssrc").map((line) => /cname:(\S+)/.exec(line)?.[1]).find(Boolean),
      ufrag: one("ice-ufrag") ?? session.one("ice-ufrag"),
      pwd: one("ice-pwd") ?? session.one("ice-pwd"),
      fingerprints: all("fingerprint").length ? all("fingerprint") : session.all("fingerprint"),
    };
  });
  return sections;
}

/** The side that a local description of the browser stands for. */
export function sideOf(sections) {
  const { ufrag, pwd, fingerprints } = sections.find((section) => section.ufrag && !section.rejected);
  const fingerprint = {};
  for (const line of fingerprints) {
    const [algorithm, value] = line.split(" ");
    fingerprint[algorithm.toLowerCase()] = value;
  }
  return { ice: { usernameFrag: ufrag, password: pwd }, dtls: { fingerprint } };
}
