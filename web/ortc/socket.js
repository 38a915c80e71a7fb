// The local end of a connection.

export const secrets = new WeakMap();

/** The local end. In a browser it cannot be shared; connections made with it share the certificate. */
export class RTCSocket {
  constructor(certificates) {
    secrets.set(this, certificates);
  }
}
