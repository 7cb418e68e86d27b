/**
 * Call `prepare` with the page now, and with the page again after htmx has swapped something in.
 *
 * `prepare` may see the same element many times.
 */
export function onContent(prepare) {
  prepare(document);
  document.addEventListener("htmx:after:swap", () => prepare(document));
}
