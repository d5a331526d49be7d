// A card for each style, with the user's own frame in it.
import { ask, make, tell, told } from "./ask.js";

let turn = 0;

export async function watchCards() {
  const box = document.querySelector("#sv-cards");
  for (const style of await ask("/api/styles")) box.append(card(style));
  for (const id of ["sv-source", "sv-at"]) {
    document.querySelector(`#${id}`).addEventListener("change", later);
    document.querySelector(`#${id}`).addEventListener("input", later);
  }
  later();
}

function card(style) {
  const checked = style.name === told("sv-style");
  const licence = style.commercial_use ? "" : " · non-commercial";
  const input = make("input", { type: "radio", name: "sv-style", value: style.name, checked });
  input.addEventListener("change", () => tell("sv-style", style.name));
  return make("label", { class: "sv-card", title: style.about }, input,
    make("img", { alt: "", "data-style": style.name, hidden: true }),
    make("span", { class: "sv-card-name" }, style.name),
    make("span", { class: "sv-card-about" }, (style.about.split(/[.:]/)[0] || "imported") + licence));
}

let timer = 0;
function later() {
  clearTimeout(timer);
  timer = setTimeout(paint, 700); // the large preview goes first
}

async function paint() {
  const source = told("sv-source");
  const mine = ++turn;
  const at = Number(document.querySelector("#sv-at input[type=number]")?.value || 0);
  if (!source) return;
  for (const image of document.querySelectorAll(".sv-card img")) {
    const body = JSON.stringify({ source, at, style: image.dataset.style, thumbnail: true });
    const answer = await fetch("/api/stills", { method: "POST", body });
    if (mine !== turn) return;
    if (!answer.ok) continue;
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(await answer.blob());
    image.hidden = false;
  }
}
