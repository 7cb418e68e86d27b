const SHOWN_MS = 6000;

/** Let the toasts that the server sends go away after a while; errors wait until somebody dismisses them. */
export function startToasts() {
  const region = document.getElementById("toasts");
  if (!region) return;
  for (const toast of region.children) expire(toast);
  new MutationObserver((changes) => {
    for (const change of changes) for (const toast of change.addedNodes) expire(toast);
  }).observe(region, { childList: true });
  region.addEventListener("click", (event) => {
    if (event.target.closest("button")) event.target.closest(".toast").remove();
  });
  document.addEventListener("htmx:error", () => {
    showToast("The server cannot be reached. Please try again.", { kind: "error" });
  });
}

/** Announce something that happened in the browser. */
export function showToast(text, { kind = "success" } = {}) {
  const toast = document.createElement("p");
  toast.className = `toast toast-${kind}`;
  toast.textContent = text;
  document.getElementById("toasts").append(toast);
}

function expire(toast) {
  if (!(toast instanceof HTMLElement)) return;
  if (!toast.classList.contains("toast-error")) {
    setTimeout(() => toast.remove(), SHOWN_MS);
    return;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "×";
  button.setAttribute("aria-label", "Dismiss");
  toast.append(button);
}
