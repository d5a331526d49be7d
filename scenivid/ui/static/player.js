// Several videos as one: one set of controls, and the same moment in each.
import { clock, make } from "./ask.js";

/**
 * @param videos [{url, offset, label}], offset in seconds: where the others' beginning lies in this one.
 *   The last one leads, and is the one that is heard.
 */
export function player(videos) {
  const elements = videos.map(({ url }, index) =>
    make("video", { src: url, preload: "auto", playsinline: true, muted: index < videos.length - 1 }));
  elements.slice(0, -1).forEach((element) => (element.muted = true));
  const lead = elements[elements.length - 1];
  const offset = videos.map((video) => video.offset || 0);
  const button = make("button", { type: "button", class: "sv-small sv-play" }, "Play");
  const bar = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, "aria-label": "Position" });
  const time = make("span", { class: "sv-time" }, "0:00");
  const loop = make("input", { type: "checkbox", checked: true });
  const own = () => lead.currentTime - offset[offset.length - 1];

  function seek(to) {
    elements.forEach((element, index) => (element.currentTime = to + offset[index]));
    tick();
  }
  function tick() {
    if (document.activeElement !== bar || !lead.paused) bar.value = own();
    time.textContent = `${clock(own())} / ${clock(lead.duration || 0)}`;
  }
  /** Nudge the followers: a jump when far off, else a little faster or slower. */
  function follow() {
    elements.slice(0, -1).forEach((element, index) => {
      const late = own() + offset[index] - element.currentTime;
      if (Math.abs(late) > 0.2) element.currentTime = own() + offset[index];
      element.playbackRate = Math.abs(late) > 0.02 ? Math.min(1.2, Math.max(0.8, 1 + late)) : 1;
    });
  }
  function run() {
    if (lead.paused || !lead.isConnected) return;
    follow();
    tick();
    requestAnimationFrame(run);
  }
  async function play() {
    await Promise.all(elements.map((element) => element.play()));
    button.textContent = "Pause";
    run();
  }
  function pause() {
    elements.forEach((element) => element.pause());
    button.textContent = "Play";
    seek(own());
  }
  button.addEventListener("click", () => (lead.paused ? play() : pause()));
  bar.addEventListener("input", () => seek(Number(bar.value)));
  lead.addEventListener("loadedmetadata", () => {
    bar.max = lead.duration;
    seek(0);
  });
  lead.addEventListener("seeked", tick);
  lead.addEventListener("ended", () => {
    seek(0);
    if (loop.checked) play();
    else pause();
  });
  return make("div", { class: "sv-player" },
    make("div", { class: "sv-screens" }, ...elements.map((element, index) =>
      make("figure", {}, element, make("figcaption", {}, videos[index].label)))),
    make("div", { class: "sv-controls" }, button, bar, time, make("label", {}, loop, " loop")));
}
