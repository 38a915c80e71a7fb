// Rooms for browsers: the session API of the crate `ortc-rooms`, over ortc.js. One module, no build
// step; types are in rooms.d.ts, what crosses is in spec/rooms.md.
//
//   import { Session } from "/rooms.js";
//   const session = await Session.connect("/ws", { extra: { name: "Ada" } });
//   session.onstream = ({ stream, origin }) => { if (origin === "remote") video.srcObject = stream.stream; };
//   await session.openOrJoin("demo");
//   session.addStream(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
//   session.send("hello");
export { BroadcastHub } from "./rooms/broadcast_hub.js";
export { RoomsError } from "./rooms/errors.js";
export { Session } from "./rooms/session.js";
export { WebSocketSignaller } from "./rooms/websocket.js";
