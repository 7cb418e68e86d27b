import { matching } from "./tag.js";

/** The path of the page; the part after `#` belongs to it where a router writes paths there. */
export function pathOf({ pathname, hash } = location) {
  return /^#!?\//.test(hash) ? pathname + hash : pathname;
}

/** What every event says of the page, or undefined if the page is not tracked. */
export function describePage(tag) {
  const path = pathOf();
  if (matching(tag.skipped, path) !== undefined) return undefined;
  const masked = matching(tag.masked, path);
  return {
    hostname: cut(location.hostname, 253),
    pathname: cut(masked === undefined ? path : masked, 2048),
    querystring: cut(location.search, 2048),
    page_title: cut(document.title, 512),
    referrer: cut(document.referrer, 2048),
    language: cut(navigator.language, 35),
    screenWidth: pixels(screen.width),
    screenHeight: pixels(screen.height),
  };
}

/** A text of at most so many characters; undefined, which JSON leaves out, for an empty one. */
export function cut(value, most) {
  return value ? String(value).slice(0, most) : undefined;
}

function pixels(number) {
  return Math.round(number) || undefined;
}
