/** The same function, but nothing that it throws reaches the page. */
export function guarded(action) {
  return (...values) => {
    try {
      return action(...values);
    } catch {
      return undefined;
    }
  };
}
