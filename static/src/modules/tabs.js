/** Where the tabs do not all fit, bring the one that is shown into sight. */
export function startTabs() {
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}
