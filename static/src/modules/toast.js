const SHOWN_MS = 6000;

/** Let the toasts that the server sends go away after a while; errors wait until somebody dismisses them. */
export function startToasts() {
  const region = document.getElementById("toasts");
  if (!region) return;
  for (const toast of region.children) expire(toast);
  new MutationObserver((changes) => {
    for (const change of changes) for (const toast of change.addedNodes) settle(region, toast);
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

function settle(region, toast) {
  if (!(toast instanceof HTMLElement && toast.isConnected)) return;
  // What asks again and again would pile up the same message while the server is away.
  for (const other of [...region.children]) {
    if (other !== toast && other.firstChild?.data === toast.firstChild?.data) other.remove();
  }
  expire(toast);
}

function expire(toast) {
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
