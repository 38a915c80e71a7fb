// What is not done, and why: `code` is the server's word for it, or one of this side.

export class RoomsError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "RoomsError";
    this.code = code;
  }
}

export const fail = (code, message) => new RoomsError(code, message);
