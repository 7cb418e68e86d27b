// What cannot be undone is asked about in a dialog, which is a <dialog> in the page: see `confirm` in _macros.html.
//
// Without scripts its button is a link to a page with the same question.

/** Let buttons with data-opens="ID" open that dialog, and buttons with data-closes close theirs. */
export function startConfirmations() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.opens);
      if (dialog) {
        // What it does without scripts: follow a link to a page with the same question.
        event.preventDefault();
        dialog.showModal();
      }
    }
    event.target.closest("[data-closes]")?.closest("dialog")?.close();
    // A click on the backdrop lands on the dialog itself.
    if (event.target instanceof HTMLDialogElement && isOutside(event.target, event)) event.target.close();
  });
  document.addEventListener("keydown", (event) => {
    // A link that is called a button is pressed as one.
    if (event.key !== " " || !event.target.matches("a[data-opens]")) return;
    event.preventDefault();
    event.target.click();
  });
}

function isOutside(dialog, { clientX, clientY }) {
  const box = dialog.getBoundingClientRect();
  return clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom;
}
