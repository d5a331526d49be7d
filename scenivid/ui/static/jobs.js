// The list of jobs: each keeps its element, so that neither focus nor a playing video is lost when it changes.
import { alertIn, ask, clock, finished, make, post, size } from "./ask.js";
import { player } from "./player.js";

const MAIN = ["e_warp", "e_warp_8", "e_warp_over_source", "tof", "sharpness_ratio", "ssim"];
const cards = new Map();
let timer = 0;

export function watchJobs() {
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  refresh();
}

export async function refresh() {
  clearTimeout(timer);
  let next = 5000;
  const wrong = document.querySelector(".sv-queue > .sv-alert");
  try {
    const jobs = await ask("/api/jobs");
    alertIn(wrong, null);
    draw(jobs);
    if (jobs.some((job) => job.state === "running" || job.state === "queued")) next = 1000;
  } catch (error) {
    alertIn(wrong, new Error(`the server doesn't answer (${error.message}); trying again`));
    next = 2000;
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, document.hidden ? 10000 : next);
}

function draw(jobs) {
  const list = document.querySelector("#sv-list");
  document.querySelector(".sv-none").hidden = jobs.length > 0;
  const here = new Set(jobs.map((job) => job.id));
  for (const [id, card] of cards) {
    if (here.has(id)) continue;
    card.element.remove();
    cards.delete(id);
  }
  let before = null;
  for (const job of jobs) {
    if (!cards.has(job.id)) cards.set(job.id, new Card(job));
    const card = cards.get(job.id);
    card.show(job);
    const at = before ? before.nextSibling : list.firstChild;
    if (at !== card.element) list.insertBefore(card.element, at);
    before = card.element;
  }
}

class Card {
  constructor(job) {
    this.id = job.id;
    const button = (label, does, more = {}) =>
      make("button", { type: "button", class: "sv-small", onclick: () => this.doing(does), ...more }, label);
    this.state = make("span", { class: "sv-state" });
    this.bar = make("progress", { "aria-label": `Progress of job ${job.number}` });
    this.text = make("span", { class: "sv-left" });
    this.wrong = make("p", { class: "sv-alert", role: "alert", hidden: true });
    this.notes = make("p", { class: "sv-notes" });
    this.screen = make("div", { class: "sv-screen" });
    this.figures = make("div", { class: "sv-figures" });
    this.buttons = {
      show: button("Show", () => this.play()),
      download: make("a", { class: "sv-small", href: `/api/jobs/${job.id}/result`, download: job.result_name }, "Download"),
      flicker: button("Measure flicker", () => this.measure()),
      cancel: button("Cancel", () => post(`/api/jobs/${job.id}/cancel`)),
      resume: button("Resume", () => post(`/api/jobs/${job.id}/resume`)),
      copy: button("Copy command", () => navigator.clipboard.writeText(job.command), { title: job.command }),
      remove: button("Remove", () => this.remove()),
    };
    const dials = Object.entries(job.settings).filter(([name, value]) => value != null && value !== "auto" && name !== "style");
    this.element = make("li", { class: "sv-job", "data-job": job.id },
      make("div", { class: "sv-job-head" },
        make("strong", {}, `${job.number} · ${job.title}`), this.state),
      make("p", { class: "sv-dials" }, [job.settings.style, ...dials.map(([name, value]) => `${name} ${value}`)].join(" · ")),
      make("div", { class: "sv-progress" }, this.bar, this.text),
      this.wrong, this.notes,
      make("div", { class: "sv-buttons" }, ...Object.values(this.buttons)),
      this.screen, this.figures);
  }

  show(job) {
    const was = this.job;
    this.job = job;
    const { state, progress } = job;
    this.element.dataset.state = state;
    if (was?.state !== state) this.state.textContent = state;
    this.bar.parentElement.hidden = !(state === "running" || (progress && state === "stopped"));
    if (progress?.total) {
      this.bar.max = progress.total;
      this.bar.value = progress.done;
    } else this.bar.removeAttribute("value");
    const left = state === "running" && progress?.eta_seconds != null ? ` · ${clock(progress.eta_seconds)} left` : "";
    const rate = state === "running" && progress?.rate ? ` · ${progress.rate.toFixed(1)} fps` : "";
    this.text.textContent = progress ? `${progress.done} of ${progress.total ?? "?"} frames${rate}${left}` : "beginning …";
    if (was?.error !== job.error || !was) alertIn(this.wrong, job.error ? new Error(job.error) : null);
    const done = state === "done";
    const took = job.seconds ? ` in ${clock(job.seconds)}` : "";
    this.notes.textContent = done ? [`${job.result_name}, ${size(job.size)}${job.frames ? `, ${job.frames} frames${took}` : ""}`, ...job.notes].join(" · ") : "";
    const visible = {
      show: done, download: done, flicker: done && !job.still && !job.flicker,
      cancel: state === "queued" || state === "running", resume: state === "stopped" || state === "failed",
      copy: Boolean(navigator.clipboard), remove: state !== "running",
    };
    for (const [name, button] of Object.entries(this.buttons)) button.hidden = !visible[name];
    if (job.flicker && !was?.flicker) this.figures.replaceChildren(table(job.flicker));
  }

  async doing(does) {
    alertIn(this.wrong, null);
    try {
      await does();
    } catch (error) {
      alertIn(this.wrong, error);
    }
    refresh();
  }

  async remove() {
    const [list, at] = [this.element.parentElement, this.element];
    const next = at.nextElementSibling || at.previousElementSibling;
    await ask(`/api/jobs/${this.id}`, { method: "DELETE" });
    await refresh();
    (next?.querySelector("button:not([hidden])") || list.closest("section")).focus?.();
  }

  async play() {
    const { screen, buttons, id, job } = this;
    if (screen.firstChild) {
      screen.replaceChildren();
      buttons.show.textContent = "Show";
      return;
    }
    buttons.show.disabled = true;
    try {
      await finished(await post(`/api/jobs/${id}/views`), () => screen.replaceChildren("making it playable …"));
      const views = await ask(`/api/jobs/${id}/views`);
      screen.replaceChildren(job.still ? compared(views) : player([
        { ...views.source, label: "source" }, { ...views.result, label: "result" }]));
      buttons.show.textContent = "Hide";
    } catch (error) {
      screen.replaceChildren();
      throw error;
    } finally {
      buttons.show.disabled = false;
    }
  }

  async measure() {
    this.buttons.flicker.disabled = true;
    try {
      await finished(await post(`/api/jobs/${this.id}/flicker`), ({ progress }) =>
        this.job.flicker || this.figures.replaceChildren(progress?.total ? `measuring: ${progress.done} of ${progress.total} frames` : "measuring …"));
    } catch (error) {
      this.figures.replaceChildren();
      throw error;
    } finally {
      this.buttons.flicker.disabled = false;
    }
  }
}

function compared(views) {
  return make("figure", { class: "sv-compare" },
    make("img", { class: "sv-after", src: views.result.url, alt: "The picture stylized" }),
    make("img", { class: "sv-before", src: views.source.url, alt: "The picture as it is" }),
    make("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": "Before and after" }),
    make("figcaption", {}, make("span", {}, "before"), make("span", {}, "after")));
}

/** The figures that matter most, and the rest on request. */
function table({ rows, warnings }) {
  const few = rows.filter((row) => MAIN.includes(row.key));
  const rest = rows.filter((row) => !MAIN.includes(row.key));
  const more = rest.length ? [make("details", {}, make("summary", {}, "more figures"), tabular(rest))] : [];
  return make("div", {}, tabular(few), ...more, ...warnings.map((text) => make("p", { class: "sv-notes" }, text)));
}

function tabular(rows) {
  const head = make("tr", {}, ...["flicker and fidelity", "source", "result", "better"].map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map((row) => make("tr", {}, make("th", { scope: "row" }, row.label),
    ...[row.source, row.output, row.better].map((text) => make("td", {}, text))));
  return make("div", { class: "sv-table" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}
