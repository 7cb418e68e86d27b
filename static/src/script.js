// The script on the pages of a site. It keeps no cookies, and whatever goes wrong in it stays in it.
import { watchErrors } from "./tracking/errors.js";
import { readTag } from "./tracking/tag.js";
import { watchNavigation } from "./tracking/navigation.js";
import { watchOutbound, outboundOf } from "./tracking/outbound.js";
import { fit } from "./tracking/json.js";
import { guarded } from "./tracking/guarded.js";
import { Sender } from "./tracking/sender.js";
import { loadVitals } from "./tracking/vitals.js";
import * as user from "./tracking/user.js";

const SWITCHES = {
  sessionReplay: false,
  webVitals: false,
  trackErrors: false,
  trackOutbound: true,
  trackUrlParams: true,
  trackInitialPageView: true,
  trackSpaNavigation: true,
};
const CONFIG_MS = 5000;

guarded(start)();

function start() {
  const tag = readTag();
  // A second tag on the page would count everything twice.
  if (!tag || (window.rybbit && window.rybbit.pageview)) return;
  const sender = new Sender(tag);
  const outbound = (...link) => sender.send("outbound", { properties: fit(outboundOf(...link), 2048) });
  window.rybbit = {
    pageview: guarded(() => sender.send("pageview")),
    event: guarded((name, properties) => {
      if (name) sender.send("custom_event", { event_name: name, properties: fit(properties, 2048) });
    }),
    trackOutbound: guarded(outbound),
    identify: guarded(user.identify),
    clearUserId: guarded(user.clear),
    getUserId: guarded(user.get),
  };
  const begin = guarded((switches) => {
    sender.open(switches);
    const pageview = () => sender.send("pageview");
    if (switches.trackInitialPageView) {
      pageview();
      // Back from the cache of whole pages, where no script starts anew.
      addEventListener("pageshow", guarded((event) => event.persisted && pageview()));
    }
    if (switches.trackSpaNavigation) watchNavigation(tag, pageview, switches);
    if (switches.trackOutbound) watchOutbound(outbound);
    if (switches.trackErrors) watchErrors((fields) => sender.send("error", fields));
    if (switches.webVitals) loadVitals(tag, sender);
  });
  addEventListener("visibilitychange", guarded(() => document.visibilityState === "hidden" && sender.flush()));
  whenSeen(() => switchesOf(tag).then(begin));
}

/** Pages that are only prepared in case somebody goes there are no visits yet. */
function whenSeen(action) {
  if (document.prerendering) document.addEventListener("prerenderingchange", guarded(action), { once: true });
  else action();
}

async function switchesOf(tag) {
  try {
    const signal = AbortSignal.timeout ? AbortSignal.timeout(CONFIG_MS) : undefined;
    const address = tag.address(`site/tracking-config/${encodeURIComponent(tag.siteId)}`);
    const answer = await fetch(address, { credentials: "omit", signal });
    return answer.ok ? { ...SWITCHES, ...(await answer.json()) } : SWITCHES;
  } catch {
    return SWITCHES;
  }
}
