import { onContent } from "./swaps.js";

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const seconds = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** Show moments, which come in UTC, in the reader's own time zone and manner. */
export function startTimes() {
  onContent((page) => {
    for (const time of page.querySelectorAll("time[data-moment]")) {
      time.title = time.textContent;
      const format = time.dataset.moment === "second" ? seconds : moments;
      time.textContent = format.format(new Date(time.dateTime));
      time.removeAttribute("data-moment");
    }
  });
}
