import { guarded } from "./guarded.js";
import { pathOf } from "./page.js";

/** Call `pageview` when the page's own scripts have led to another address, and stayed there for a moment. */
export function watchNavigation(tag, pageview, { trackUrlParams }) {
  const here = () => pathOf() + (trackUrlParams ? location.search : "");
  let seen = here();
  let timer;

  const look = guarded(() => {
    clearTimeout(timer);
    timer = undefined;
    if (here() === seen) return;
    seen = here();
    pageview();
  });
  const wait = guarded(() => {
    clearTimeout(timer);
    timer = setTimeout(look, tag.debounce);
  });

  for (const name of ["pushState", "replaceState"]) {
    const original = history[name];
    history[name] = function (...values) {
      const answer = original.apply(this, values);
      wait();
      return answer;
    };
  }
  addEventListener("popstate", wait);
  addEventListener("hashchange", wait);
  // Who leaves before the moment is over has been there.
  addEventListener("visibilitychange", () => timer && document.visibilityState === "hidden" && look());
}
