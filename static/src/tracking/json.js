// NUL and halves of surrogate pairs, which the server refuses; any other escape is kept as it is.
const ESCAPES = /\\(?:u(?:0000|d[89a-f]..)|(.))/g;

/** JSON without characters that cannot be stored, and with every text in it cut to `most` characters. */
export function encode(value, most = Infinity) {
  const cut = (_, each) => (typeof each === "string" ? each.slice(0, most) : each);
  return JSON.stringify(value, cut).replace(ESCAPES, (escape, kept) => (kept ? escape : ""));
}

/** JSON of at most `limit` characters, for which long texts are cut; undefined where there is none. */
export function fit(value, limit) {
  if (value === undefined || value === null) return undefined;
  try {
    for (let most = limit; most >= 1; most /= 2) {
      const json = encode(value, most);
      if (json.length <= limit) return json;
    }
  } catch {
    // A circle, or something that JSON has no words for.
  }
  return undefined;
}
