import { describePage } from "./page.js";
import { guarded } from "./guarded.js";

/** Load what measures how fast the page was; it tells once, when the page is left. */
export function loadVitals(tag, sender) {
  // They belong to the page that was loaded, wherever its scripts lead afterwards.
  const page = describePage(tag);
  if (!page) return;
  const script = document.createElement("script");
  script.src = tag.address("vitals.js");
  script.async = true;
  if (tag.nonce) script.nonce = tag.nonce;
  script.report = guarded((values) => sender.send("performance", values, page));
  document.head.append(script);
}
