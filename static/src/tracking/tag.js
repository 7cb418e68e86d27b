const DEBOUNCE_MS = 500;

/** What the script's own tag says, or undefined if it names no site. */
export function readTag() {
  const element = document.currentScript || document.querySelector("script[data-site-id]");
  const data = element ? element.dataset : {};
  if (!data.siteId) {
    console.warn("rybbit: the script's tag has no data-site-id");
    return undefined;
  }
  const source = element.src;
  const debounce = parseInt(data.debounce, 10);
  return {
    siteId: data.siteId,
    nonce: element.nonce,
    debounce: debounce >= 0 ? debounce : DEBOUNCE_MS,
    skipped: patternsOf(data.skipPatterns),
    masked: patternsOf(data.maskPatterns),
    // Beside the script, so that it works below any prefix.
    address: (path) => new URL(path, source).href,
  };
}

/** The first of the patterns that fits the whole path, as it was written. */
export function matching(patterns, path) {
  const found = patterns.find((each) => each.regex.test(path));
  return found && found.text;
}

function patternsOf(json) {
  try {
    return JSON.parse(json)
      .filter((text) => typeof text === "string")
      .map((text) => ({ text, regex: regexOf(text) }));
  } catch {
    return [];
  }
}

function regexOf(pattern) {
  const literal = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${literal.replace(/\*+/g, (stars) => (stars.length > 1 ? ".*" : "[^/]*"))}$`);
}
