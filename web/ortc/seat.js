// Seats: a browser connection whose first offer is made in advance, since the drafts want to know
// the credentials and the SSRCs as soon as a connection or a track exists.
import { eat } from "./sdp.js";
import { secrets } from "./socket.js";
import { list } from "./tools.js";

const PC = globalThis.RTCPeerConnection;
const SPARE = 2; // Prepared senders of each kind, so that a new track is described at once.

const CONFIGURATION = { bundlePolicy: "max-bundle" };

class Seat {
  constructor(configuration) {
    this.pc = new PC({ ...CONFIGURATION, ...configuration });
    // The first section carries the transport; it must never go away.
    this.pc.addTransceiver("audio", { direction: "inactive" });
    this.spares = [];
    for (const kind of ["audio", "video"]) {
      for (let i = 0; i < SPARE; i++) this.spares.push(this.pc.addTransceiver(kind, { direction: "sendonly" }));
    }
    // There is no section for data before there is a channel; this one is never announced.
    this.pc.createDataChannel("", { negotiated: true, id: 1023 });
    this.offer = null;
    this.ready = this.pc.createOffer().then((offer) => {
      this.offer = offer;
      this.sections = eat(offer.sdp);
      return this;
    });
  }
}

const pool = [];
const POOL = 2;

function add() {
  const seat = new Seat(seatCertificate());
  pool.push(seat);
  seat.ready.catch(() => pool.splice(pool.indexOf(seat), 1));
}

let timer = 0;
/** Not while calls are set up, unless the next one may come at any moment; one at a time, as each holds the page up. */
function refill() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    add();
    if (pool.length < POOL) refill();
  }, pool.length ? 1000 : 50);
}

let certificates = [];
// A connection has a certificate of its own: nobody can link two of them by it.
function seatCertificate() {
  const certificate = certificates.pop();
  PC.generateCertificate({ name: "ECDSA", namedCurve: "P-256" }).then((made) => certificates.push(made), () => {});
  return certificate ? { certificates: [certificate] } : {};
}

export function takeSeat(options) {
  const configuration = {};
  if (options.iceServers) configuration.iceServers = list(options.iceServers).map(readServer);
  if (options.iceTransportPolicy) configuration.iceTransportPolicy = options.iceTransportPolicy;
  const shared = options.socket && secrets.get(options.socket);
  if (shared?.length) return new Seat({ ...configuration, certificates: shared });
  const at = pool.findIndex((seat) => seat.offer);
  if (at < 0) return new Seat({ ...configuration, ...seatCertificate() });
  const [seat] = pool.splice(at, 1);
  seat.pc.setConfiguration({ ...seat.pc.getConfiguration(), ...configuration });
  refill();
  return seat;
}

function readServer(server) {
  let username = server.username;
  const urls = list(server.urls ?? server.url).map((url) => {
    const userinfo = /^(turns?:)([^@]*)@(.*)$/.exec(url);
    if (!userinfo) return String(url);
    username ??= decodeURIComponent(userinfo[2]);
    return userinfo[1] + userinfo[3];
  });
  const read = { urls };
  if (username !== undefined) read.username = username;
  if (server.credential !== undefined && server.credential !== null) read.credential = server.credential;
  return read;
}

if (PC) {
  const made = [];
  for (let i = 0; i < POOL; i++) made.push(PC.generateCertificate({ name: "ECDSA", namedCurve: "P-256" }));
  certificates = await Promise.all(made);
  for (let i = 0; i < POOL; i++) add();
  await Promise.all(pool.map((seat) => seat.ready));
}
