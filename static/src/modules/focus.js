/** After a form came back with errors, go to the first field that has one. */
export function startFocus() {
  document.addEventListener("htmx:after:swap", ({ detail }) => {
    if (detail.ctx?.response?.status === 422) focusFirstError(document);
  });
  focusFirstError(document);
}

function focusFirstError(page) {
  page.querySelector("[aria-invalid='true']")?.focus();
}
