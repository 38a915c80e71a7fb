// Names that nobody else has, in letters that are not mistaken for each other.
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";

export const randomId = (length = 12) => [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => LETTERS[byte % LETTERS.length]).join("");
