// What every module uses.

export const fail = (name, message) => new DOMException(message, name);
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
/** A copy without members that are null, which count as absent. */
export const withoutNulls = (value) => JSON.parse(JSON.stringify(value, (_, inner) => {
  if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
  return Object.fromEntries(Object.entries(inner).filter(([, member]) => member !== null));
}));
export const list = (value) => (value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]);
/** Text that may stand in a line of a session description. */
export const word = (value, what) => {
  const text = String(value);
  if (!/^[\x21-\x7e]{1,512}$/.test(text)) throw fail("InvalidAccessError", `${what} is malformed`);
  return text;
};
