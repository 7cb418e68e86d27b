import { guarded } from "./guarded.js";

const MOST_TEXT = 256;

/** What is told of a link that was followed; throws if the URL is none. */
export function outboundOf(url, text = "", target = "_self") {
  return { url: new URL(url, location.href).href, text: String(text).trim().slice(0, MOST_TEXT), target: String(target) };
}

/** Call `outbound` with every link to another host that is clicked. */
export function watchOutbound(outbound) {
  const look = guarded((event) => {
    // The right button opens a menu; the middle one a tab.
    if (event.button > 1) return;
    const [inner] = event.composedPath();
    const link = inner && inner.closest && inner.closest("a[href], area[href]");
    if (!link || !/^https?:$/.test(link.protocol) || link.hostname === location.hostname) return;
    outbound(link.href, link.textContent, link.target || "_self");
  });
  document.addEventListener("click", look, true);
  document.addEventListener("auxclick", look, true);
}
