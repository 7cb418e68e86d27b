import { onContent } from "./swaps.js";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Show moments, which come in UTC, in the reader's own time zone and manner. */
export function startTimes() {
  onContent((page) => {
    for (const time of page.querySelectorAll("time[data-moment]")) {
      time.title = time.textContent;
      time.textContent = format.format(new Date(time.dateTime));
      time.removeAttribute("data-moment");
    }
  });
}
