// What every page loads. A page works without it; with it, only what changes is swapped.
import "htmx.org/dist/htmx.esm.js";
import { startConfirmations } from "./modules/confirm.js";
import { startCopying } from "./modules/copy.js";
import { startFocus } from "./modules/focus.js";
import { startStreams } from "./modules/stream.js";
import { startTabs } from "./modules/tabs.js";
import { startThemes } from "./modules/theme.js";
import { startTimes } from "./modules/times.js";
import { startToasts } from "./modules/toast.js";

startConfirmations();
startCopying();
startFocus();
startStreams();
startTabs();
startThemes();
startTimes();
startToasts();
