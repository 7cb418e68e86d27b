import { encode } from "./json.js";
import { cut, describePage } from "./page.js";
import { get as getUserId } from "./user.js";

/** Sends events, and keeps those that come before it is known what to track. */
export class Sender {
  constructor(tag) {
    this.tag = tag;
    this.waiting = [];
  }

  /** Begin to send. */
  open(switches) {
    this.switches = switches;
    this.flush();
  }

  /** Send what waits; before it is known whether they may be, without the parameters of URLs. */
  flush() {
    this.waiting.splice(0).forEach((event) => this.post(event));
  }

  /** Send an event of the page as it is now, or of another one that `describePage` told of. */
  send(type, fields = {}, page = describePage(this.tag)) {
    if (!page) return;
    const event = {
      site_id: this.tag.siteId,
      type,
      ...page,
      user_id: getUserId() || undefined,
      ...fields,
      event_name: cut(fields.event_name, 256),
    };
    if (this.switches) this.post(event);
    else this.waiting.push(event);
  }

  post(event) {
    const { querystring, ...rest } = event;
    const body = encode(this.switches && this.switches.trackUrlParams ? event : rest);
    const address = this.tag.address("track");
    // Both send plain text, for which browsers need not ask the server first.
    const leaving = document.visibilityState === "hidden";
    if (leaving && navigator.sendBeacon && navigator.sendBeacon(address, body)) return;
    const headers = { "Content-Type": "text/plain" };
    fetch(address, { method: "POST", body, headers, keepalive: true, credentials: "omit" }).catch(() => {});
  }
}
