// What every part of the page uses.

export const $ = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** What does this once for all calls of a moment, as when a room goes by its hub. */
export function soon(work) {
  let due = null;
  return () => {
    due ??= setTimeout(() => {
      due = null;
      work();
    });
  };
}
