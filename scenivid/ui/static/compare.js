// The slider between before and after. It is a range input over the whole picture: mouse, touch and arrow keys.
let place = 50;

export function watchCompare() {
  document.addEventListener("input", (event) => {
    if (!event.target.matches(".sv-compare input")) return;
    place = event.target.value;
    show(event.target);
  });
  new MutationObserver(() => document.querySelectorAll("#sv-preview .sv-compare input").forEach((input) => {
    if (input.dataset.placed) return;
    input.dataset.placed = "1";
    input.value = place;
    show(input);
  })).observe(document.querySelector("#sv-preview"), { childList: true, subtree: true });
}

export function show(input) {
  input.parentElement.style.setProperty("--at", `${input.value}%`);
}
