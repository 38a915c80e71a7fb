// Rooms for browsers: the session API of the crate `ortc-rooms`, over ortc.js.
export { BroadcastHub } from "./rooms/broadcast_hub.js";
export { RoomsError } from "./rooms/errors.js";
export { Session } from "./rooms/session.js";
export { WebSocketSignaller } from "./rooms/websocket.js";
