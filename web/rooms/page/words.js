// What is said when something does not work or ends: what happened, and the next step.

const CLOSED = {
  ejected: ["You were put out of the room", "Its owner or an admin did it. You may ask to be let in again."],
  banned: ["You were put out of the room", "You may not come back as long as it is there."],
  closed: ["The room was closed", "Its owner or an admin ended it for all."],
  ownerLeft: ["The room has ended", "Its owner has left, and its rules end it then."],
  timeUp: ["The room has ended", "Its time is up."],
  replaced: ["You are in this room elsewhere", "The same user has come by another connection, so that this page has left."],
};

const REFUSED = {
  roomFull: "All places are taken. Wait until somebody leaves, or open a room of your own.",
  badPassword: "This room wants a password. Type it above, and enter again.",
  noSecret: "This room has a secret, and you are connected to nobody without it. Leave, write it under the rules, and enter again; or ask for a link that has it.",
  banned: "You were put out of this room, and may not come back as long as it is there.",
  noSuchRoom: "The room is gone. Enter it to open it anew.",
  roomExists: "There is a room of this name already. Enter it, or take another name.",
  notAllowed: "Your role does not allow it. Ask the owner of the room or an admin.",
  tooManyRooms: "The server has no place for another room. Leave one, or try later.",
  badSession: "The rules of the room say two things. Choose others.",
  tooMany: "That was too much at once. Wait a moment.",
  unavailable: "The server cannot do it now. Try again in a moment.",
  presenterTaken: "Somebody else shares a screen. Wait for the end, or ask.",
  noSuchUser: "This user has left.",
  noSuchCall: "The call is over.",
};

const ENDED = {
  unreachable: ["The server cannot be reached", "It does not run, or the network lets nothing through. Try again, or meet among the tabs of this browser."],
  replaced: ["You are here in another window", "The same user came back by another connection. Close the other window, or go on there."],
  refused: ["The server does not let you in", "Your invitation may be too old or for another server. Ask for a new one."],
  badToken: ["Your invitation is not valid", "It may be too old, or for another server. Ask for a new one."],
  userIdTaken: ["Somebody has your user id", "Close other windows of this page, and try again."],
  badVersion: ["The page is older than the server", "Load it anew."],
  goodbye: ["The server has ended", "It said goodbye and does not come back. Calls that go on end with their windows."],
  ended: ["The session has ended", "Load the page anew to begin another."],
};

export const closed = (reason, message) => CLOSED[reason] ?? ["You are no longer in the room", message || "Enter it again."];
export const refused = ({ code, message }) => REFUSED[code] ?? `${message ?? code}.`;
export const ended = ({ code, message }) => ENDED[code] ?? ["The server ended the connection", `${message}. Try again.`];

export const CALLS = {
  rejected: "does not want to talk now",
  busy: "is in another call",
  cancelled: "no longer asks",
  timeout: "does not answer",
  gone: "is no longer there",
};

export const LEFT = { left: "has left", lost: "was lost", ejected: "was put out" };

export const WRONG_CODE = ["The code is wrong", "The sender was told of the attempt, and takes three at most. Look at the words again."];
