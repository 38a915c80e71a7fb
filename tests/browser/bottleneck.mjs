// A narrow path between a page and its peer: a relay of datagrams that both are led to.
import { createSocket } from "node:dgram";

/** The page's candidates lead nowhere, and those of its peer to `window.byPath`. */
function lead() {
  const { addIceCandidate } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addIceCandidate = async function (candidate) {
    const [, before, transport, between, address, port, after] = /^(\S+ \d+ )(\S+)( \d+ )(\S+) (\d+)(.*)$/.exec(candidate?.candidate ?? "") ?? [];
    if (!port) return addIceCandidate.call(this, candidate);
    if (transport.toLowerCase() !== "udp" || !/^127\./.test(address)) return undefined;
    const by = await window.byPath(Number(port));
    return addIceCandidate.call(this, { ...(candidate.toJSON?.() ?? candidate), candidate: `${before}${transport}${between}127.0.0.1 ${by}${after}` });
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (text) {
    return send.call(this, String(text).replace(/"connectionPort":\d+/g, '"connectionPort":9'));
  };
}

/** The path of the pages of one context. */
export class Bottleneck {
  #cleanup;
  #sockets = new Map(); // port of the peer → what answers for it
  #free = 0; // when the path has sent what is in its queue
  #rate = Infinity;
  #depth = Infinity;
  #closed = false;
  passed = 0;
  dropped = 0;

  constructor(cleanup) { this.#cleanup = cleanup; }

  /** Before the page's own scripts run. */
  async guard(context) {
    await context.exposeFunction("byPath", (port) => this.#open(port));
    await context.addInitScript(lead);
  }

  /** bits/s to the page from now on, with a queue of so many ms. */
  narrow(rate, depth) { [this.#rate, this.#depth, this.#free] = [rate, depth, 0]; }

  #open(port) {
    if (!this.#sockets.has(port)) this.#sockets.set(port, this.#relay(port));
    return this.#sockets.get(port);
  }

  async #relay(port) {
    const [outer, inner] = [createSocket("udp4"), createSocket("udp4")];
    let page = null;
    outer.on("message", (data, from) => {
      page = from.port;
      inner.send(data, port, "127.0.0.1");
    });
    inner.on("message", (data) => page !== null && this.#deliver(data, () => outer.send(data, page, "127.0.0.1")));
    for (const socket of [outer, inner]) {
      socket.on("error", () => {});
      await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
      this.#cleanup.push(() => {
        this.#closed = true;
        socket.close();
      });
    }
    return outer.address().port;
  }

  #deliver(data, send) {
    const now = performance.now();
    const wait = Math.max(0, this.#free - now);
    if (wait > this.#depth) return void this.dropped++;
    this.passed++;
    if (this.#rate === Infinity) return send();
    this.#free = now + wait + (data.length * 8_000) / this.#rate;
    return void setTimeout(() => this.#closed || send(), this.#free - now);
  }
}
