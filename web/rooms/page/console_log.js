// What this page says on its console, the last of it: for a report of what went wrong. Without addresses and secrets.
const LINES = 500;
const LENGTH = 1000; // letters
const LEVELS = ["debug", "log", "info", "warn", "error"];
const lines = [];

const V4 = /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)/g;
const V6 = /(?<![\w:.])(?=[0-9a-f:]*::|(?:[0-9a-f]{1,4}:){7})[0-9a-f:]{2,39}(?![\w:])/gi;
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const SECRET = /\b(token|secret|password|resume|credential|usernameFragment|ice-?pwd)("?\s*[=:]\s*"?)[^\s"&,}]+/gi;

/** The text without what is nobody's business. */
export const scrubbed = (text) => text.replace(TOKEN, "[token]").replace(SECRET, "$1$2[secret]").replace(V4, "[address]").replace(V6, "[address]");

function inWords(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

function keep(level, values) {
  const text = values.map(inWords).join(" ").slice(0, 4 * LENGTH);
  lines.push(`${(performance.now() / 1000).toFixed(1)} ${level}: ${scrubbed(text).slice(0, LENGTH)}`);
  if (lines.length > LINES) lines.shift();
}

/** The last lines. */
export const kept = () => [...lines];

/** From now on; the console says it all the same. */
export function begin() {
  for (const level of LEVELS) {
    const say = console[level].bind(console);
    console[level] = (...values) => {
      keep(level, values);
      say(...values);
    };
  }
  addEventListener("error", ({ message }) => keep("error", [message]));
  addEventListener("unhandledrejection", ({ reason }) => keep("error", [reason]));
}
