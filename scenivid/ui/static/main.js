// Puts life into the parts of the page that Gradio has no component for.
import { watchDrop, restoreSource } from "./drop.js";
import { watchCards } from "./cards.js";
import { watchCompare } from "./compare.js";
import { watchJobs, refresh } from "./jobs.js";
import { showMoving } from "./moving.js";
import { watchTheme } from "./theme.js";

window.scenivid = { refresh, moving: showMoving };

const PARTS = ["#sv-theme", ".sv-drop", "#sv-cards", "#sv-preview", "#sv-moving", "#sv-list",
  "#sv-source :is(textarea, input)", "#sv-style :is(textarea, input)", "#sv-command textarea"];

/** Gradio builds the page after this file has run, a part at a time and in no order. */
function whenBuilt(then) {
  const built = () => PARTS.every((part) => document.querySelector(part));
  if (built()) return then();
  const observer = new MutationObserver(() => {
    if (!built()) return;
    observer.disconnect();
    then();
  });
  observer.observe(document.documentElement, { childList: true, subtree: true });
}

whenBuilt(() => {
  document.querySelector("#sv-command textarea").setAttribute("aria-label", "The same in a terminal");
  watchTheme();
  watchDrop();
  watchCards();
  watchCompare();
  watchJobs();
  restoreSource();
});
