// Five seconds with and without coherence, side by side.
import { alertIn, clock, finished, make, post, ask } from "./ask.js";
import { player } from "./player.js";

let turn = 0;

export async function showMoving(begun) {
  if (!begun) return;
  const mine = ++turn;
  const { id } = JSON.parse(begun);
  const bar = make("progress", { "aria-label": "Preview" });
  const text = make("span", {}, "beginning …");
  const cancel = make("button", { type: "button", class: "sv-small", onclick: () => post(`/api/previews/${id}/cancel`) }, "Cancel");
  const wrong = make("p", { class: "sv-alert", role: "alert", hidden: true });
  const box = document.querySelector("#sv-moving");
  box.replaceChildren(make("div", { class: "sv-bringing" }, bar, text, cancel), wrong);
  try {
    const status = await finished(await ask(`/api/previews/${id}`), ({ progress }) => {
      if (!progress?.total) return;
      bar.max = progress.total;
      bar.value = progress.done;
      text.textContent = progress.eta_seconds == null ? "" : `${clock(progress.eta_seconds)} left`;
    });
    if (mine !== turn) return;
    if (status.state === "stopped") return box.replaceChildren();
    const of = (name, label) => ({ url: `/api/previews/${id}/${name}`, label });
    box.replaceChildren(player([of("without", "each frame alone"), of("with", "with coherence")]));
  } catch (error) {
    if (mine !== turn) return;
    box.firstElementChild.remove();
    alertIn(wrong, error);
  }
}
