// Three ways to carry the same JSON. A wire hears `{"room": "alone" | "both" | "full" | "busy"}` of
// itself; all else is of the peer.

const PATIENCE = 10_000; // ms until a server that says nothing is given up
const HELLO = 1_000; // ms in which another tab answers

/** To server/examples/browser_call, or between two pages in a room of it. */
export function byWebSocket(path) {
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${path}`);
  const early = [];
  let closing = false;
  const wire = {
    lost: null,
    send: (text) => socket.readyState === WebSocket.OPEN && socket.send(text),
    close: () => {
      closing = true;
      socket.close();
    },
    listen: (hear) => {
      socket.onmessage = ({ data }) => hear(data);
      early.splice(0).forEach(hear);
      if (socket.readyState > WebSocket.OPEN) wire.lost?.();
    },
  };
  wire.ready = new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("no answer"));
    setTimeout(() => reject(new Error("no answer in time")), PATIENCE);
  });
  socket.onmessage = ({ data }) => early.push(data);
  socket.onclose = () => !closing && wire.lost?.();
  return wire;
}

/** Between two tabs of one browser, without any server. The first two that meet are a pair. */
export function byBroadcast(name) {
  const channel = new BroadcastChannel(`ortc ${name}`);
  const me = crypto.randomUUID();
  let partner = null;
  const post = (word, more) => channel.postMessage({ word, from: me, ...more });
  return {
    ready: Promise.resolve(),
    send: (text) => post("text", { text }),
    close: () => {
      post("bye");
      channel.close();
    },
    listen: (hear) => {
      const room = (word) => hear(JSON.stringify({ room: word }));
      const meet = (from) => {
        partner = from;
        room("both");
      };
      const said = {
        hello: ({ from }) => {
          if (partner && partner !== from) return post("full", { to: from });
          post("welcome", { to: from });
          meet(from);
        },
        welcome: ({ from }) => partner !== from && meet(from),
        full: () => !partner && room("full"),
        bye: ({ from }) => {
          if (from !== partner) return;
          partner = null;
          room("alone");
        },
        text: ({ from, text }) => from === partner && hear(text),
      };
      channel.onmessage = ({ data }) => (data.to ?? me) === me && said[data.word]?.(data);
      post("hello");
      setTimeout(() => partner || room("alone"), HELLO);
    },
  };
}
