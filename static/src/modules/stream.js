import { onContent } from "./swaps.js";

/**
 * Look after lists that grow by polling.
 *
 * An element that polls asks nothing while its button, with data-pauses="ID", was pressed or nobody looks,
 * and stops after an error: said once, not every two seconds. Lists have at most data-most="N" rows, and
 * no row twice.
 */
export function startStreams() {
  onContent((page) => {
    // It does nothing without scripts, so it comes hidden.
    for (const button of page.querySelectorAll("[data-pauses][hidden]")) button.hidden = false;
    for (const list of page.querySelectorAll("[data-most]")) tidy(list);
  });
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-pauses]");
    if (button) setPaused(button, !isPaused(button));
  });
  document.addEventListener("htmx:before:request", (event) => {
    const button = buttonOf(event.target);
    if (button && (document.hidden || isPaused(button))) event.preventDefault();
  });
  document.addEventListener("htmx:before:swap", (event) => {
    // An answer that comes too late is asked for again: the cursor stays where it was.
    const button = buttonOf(event.target);
    if (button && isPaused(button) && event.detail.ctx.response.status < 400) event.preventDefault();
  });
  for (const failure of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(failure, ({ target }) => {
      const button = buttonOf(target);
      if (button) setPaused(button, true);
    });
  }
}

function buttonOf(poller) {
  return poller.id ? document.querySelector(`[data-pauses="${CSS.escape(poller.id)}"]`) : null;
}

function isPaused(button) {
  return button.classList.contains("paused");
}

function setPaused(button, paused) {
  button.classList.toggle("paused", paused);
  button.textContent = paused ? "Resume" : "Pause";
}

function tidy(list) {
  const seen = new Set();
  // From below, so that of two the one stays that somebody may have opened.
  for (const row of [...list.children].reverse()) {
    if (seen.has(row.id)) row.remove();
    seen.add(row.id);
  }
  let surplus = list.children.length - Number(list.dataset.most);
  for (const row of [...list.children].reverse()) {
    if (surplus <= 0) return;
    if (row.contains(document.activeElement) || row.querySelector("details[open]")) continue;
    row.remove();
    surplus -= 1;
  }
}
