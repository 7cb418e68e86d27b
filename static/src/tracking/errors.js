import { fit } from "./json.js";
import { guarded } from "./guarded.js";

// A loop that fails each time says nothing new.
const MOST_ERRORS = 20;
const MOST_MESSAGE = 1024;
const PLACE = /((?:https?|blob|file):\S+?):(\d+):(\d+)/;

/** Call `report` with the fields of each error that a script of the page's own origin did not catch. */
export function watchErrors(report) {
  let count = 0;
  const tell = (reason, fallback, place) => {
    if (!isOurs(place.fileName) || ++count > MOST_ERRORS) return;
    const error = reason && typeof reason === "object" ? reason : {};
    const message = String(error.message || fallback).slice(0, MOST_MESSAGE);
    const properties = fit({ message, stack: error.stack && String(error.stack), ...place }, 4096);
    report({ event_name: String(error.name || "Error"), properties });
  };
  const onError = ({ error, message, filename, lineno, colno }) => {
    // Of errors in scripts of other origins browsers tell neither.
    if (!error && !filename) return;
    tell(error, message, { fileName: filename || undefined, lineNumber: lineno, columnNumber: colno });
  };
  const onRejection = ({ reason }) => {
    const found = PLACE.exec((reason && reason.stack) || "");
    const place = found ? { fileName: found[1], lineNumber: +found[2], columnNumber: +found[3] } : {};
    tell(reason, typeof reason === "string" ? reason : "Unhandled rejection", place);
  };
  addEventListener("error", guarded(onError));
  addEventListener("unhandledrejection", guarded(onRejection));
}

function isOurs(fileName) {
  return !fileName || new URL(fileName, location.href).origin === location.origin;
}
