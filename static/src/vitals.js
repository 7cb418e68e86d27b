// Loaded by script.js on sites that measure how fast their pages are.
import { onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";

const { report } = document.currentScript;
const values = {};
let told = false;

const note = ({ name, value }) => {
  values[name.toLowerCase()] = value;
};
for (const measure of [onCLS, onFCP, onINP, onLCP, onTTFB]) measure(note, { reportAllChanges: true });

// On the window, after the document: there the last values are noted.
addEventListener("visibilitychange", () => {
  if (told || document.visibilityState !== "hidden" || !Object.keys(values).length) return;
  told = true;
  report(values);
});
