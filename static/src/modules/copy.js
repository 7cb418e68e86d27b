import { showToast } from "./toast.js";
import { onContent } from "./swaps.js";

/** Show the buttons with data-copies="ID", and let each copy the value or the text of that element. */
export function startCopying() {
  // They do nothing without scripts, so they come hidden.
  onContent((page) => {
    for (const button of page.querySelectorAll("[data-copies][hidden]")) button.hidden = false;
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copies]");
    if (button) copyFrom(document.getElementById(button.dataset.copies));
  });
}

async function copyFrom(source) {
  const text = "value" in source ? source.value : source.textContent;
  try {
    await navigator.clipboard.writeText(text);
    showToast("Copied");
  } catch {
    // Plain HTTP on another host than localhost has no clipboard.
    select(source);
    showToast("Press Ctrl+C to copy", { kind: "error" });
  }
}

function select(source) {
  source.focus();
  if (source.select) source.select();
  else getSelection().selectAllChildren(source);
}
