// Each way in which a browser says no to camera and microphone: what it means, and what helps.

const TROUBLES = {
  NotAllowedError: ["The browser was not allowed to use your {things}", "Click the camera symbol in the address bar, allow it, and try again."],
  NotFoundError: ["No {things} found", "Plug one in and try again, or go on without: you will still see and hear the others."],
  NotReadableError: ["Your {things} cannot be opened", "Another program seems to use it, or the driver has failed. Close that program and try again."],
  OverconstrainedError: ["Your {things} cannot do what was asked for", "Try again with another device, or go on without."],
  SecurityError: ["The browser forbids the use of {things} here", "A policy of this page or of your device says so. Go on without, or ask whoever set it."],
  AbortError: ["Your {things} could not be started", "Something went wrong in the device itself. Unplug it, plug it in and try again."],
  TypeError: ["Nothing to record was chosen", "Switch on the camera or the microphone, or go on without."],
  InsecureContext: ["This page may not use your {things}", "Browsers allow it on https:// and on localhost only. Open the page there, or go on without."],
  NotSupported: ["This browser cannot use {things}", "It has no getUserMedia. Use a recent Firefox, Chrome or Safari, or go on without."],
  Ended: ["Your {things} has stopped", "It was unplugged, or the browser took it back. Plug it in or allow it, and try again."],
};

const NAMES = { audio: "microphone", video: "camera" };

/** What happened to these kinds, which failed in the same way, and what helps. */
export function explain(error, kinds) {
  const things = [...kinds].sort().reverse().map((kind) => NAMES[kind]).join(" and ");
  const [what, help] = TROUBLES[error.name] ?? [`Your ${things} did not start (${error.name})`, error.message || "Try again, or go on without."];
  return [what.replace("{things}", things), help];
}
