// The proof of a secret on one connection: until it is through, nothing of this side is told.
import { Exchange } from "./secret.js";

export class Proof {
  #exchange;
  #pass;

  /** `caller` says whether this side is it; `say(body)` brings the first message over. */
  constructor(secret, caller, pair, say) {
    this.caller = caller;
    this.passed = new Promise((resolve) => { this.#pass = resolve; });
    this.#exchange = Exchange.begin(secret, caller ? "caller" : "callee", pair);
    this.#exchange.then(({ message }) => say({ pake: message }));
  }

  /** The other side's message: null where it goes on, else why not. */
  async hear(message) {
    const exchange = await this.#exchange;
    if (exchange.finished) return null;
    if (!(await exchange.finish(message))) return "the other side's proof makes no sense";
    if (this.caller) this.#pass(); // Its own proof comes first.
    return null;
  }

  /** This side with its proof. */
  async side(connection) {
    const exchange = await this.#exchange;
    return { iceInfo: connection.local, mac: await exchange.prove(connection.local, connection.remote) };
  }

  /** Null where the other side has proven it, else why not. */
  async check(connection, iceInfo, mac) {
    const exchange = await this.#exchange;
    await connection.ready;
    if (!(await exchange.verify(mac, connection.local, iceInfo))) return "the secret is not proven: one of the two does not know it, or the server has altered what they say";
    this.#pass();
    return null;
  }
}
