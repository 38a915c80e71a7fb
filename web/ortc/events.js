// Events and their targets.

class RTCEvent extends Event {
  constructor(type, fields = {}) {
    super(type);
    Object.assign(this, fields);
  }
}

/** An EventTarget with `on...` handlers; events in `kept` wait for their first listener. */
export class Target extends EventTarget {
  #handlers = {};
  #heard = new Set();
  #kept = {};

  constructor(names, kept = []) {
    super();
    for (const name of kept) this.#kept[name] = [];
    for (const name of names) {
      super.addEventListener(name, (event) => this.#handlers[name]?.call(this, event));
      Object.defineProperty(this, `on${name}`, {
        enumerable: true,
        get: () => this.#handlers[name] ?? null,
        set: (handler) => {
          this.#handlers[name] = typeof handler === "function" ? handler : null;
          if (this.#handlers[name]) this.#release(name);
        },
      });
    }
  }

  addEventListener(name, ...rest) {
    super.addEventListener(name, ...rest);
    this.#release(name);
  }

  #release(name) {
    if (this.#heard.has(name)) return;
    queueMicrotask(() => {
      this.#heard.add(name);
      for (const event of this.#kept[name]?.splice(0) ?? []) this.dispatchEvent(event);
    });
  }

  _emit(name, fields) {
    const event = new RTCEvent(name, fields);
    if (this.#kept[name] && !this.#heard.has(name)) this.#kept[name].push(event);
    else this.dispatchEvent(event);
  }
}

/** Events on the browser's own objects, which know no handlers of these names. */
export function emitOn(object, name, fields) {
  const event = new RTCEvent(name, fields);
  object.dispatchEvent(event);
  object[`on${name}`]?.(event);
}
