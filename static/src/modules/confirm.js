// A form with data-confirm asks in a dialog before it is sent; the dialog is a <dialog> in the page.
//
// Without scripts the button is a link to a page, or the form is sent at once: see `confirm_button`.

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
}

function isOutside(dialog, { clientX, clientY }) {
  const box = dialog.getBoundingClientRect();
  return clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom;
}
