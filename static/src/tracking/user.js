const KEY = "rybbit.user";
const MOST = 255;

// For pages that may not store anything, it lasts as long as the page.
let known;

/** Call the visitor by this id from now on. */
export function identify(id) {
  const text = String(id === undefined || id === null ? "" : id).trim().slice(0, MOST).trim();
  if (!text) return;
  known = text;
  withStorage((storage) => storage.setItem(KEY, text));
}

/** Forget who the visitor is. */
export function clear() {
  known = undefined;
  withStorage((storage) => storage.removeItem(KEY));
}

/** The id that the visitor was given, or null. */
export function get() {
  return known || withStorage((storage) => storage.getItem(KEY)) || null;
}

function withStorage(action) {
  try {
    return action(localStorage);
  } catch {
    return undefined;
  }
}
