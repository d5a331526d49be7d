// Light and dark: what the system says, until somebody chooses.
const KEY = "scenivid-theme";

export function watchTheme() {
  const button = document.querySelector("#sv-theme");
  const say = () => {
    const dark = document.body.classList.contains("dark");
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Switch to light colours" : "Switch to dark colours");
  };
  const chosen = localStorage.getItem(KEY);
  if (chosen) document.body.classList.toggle("dark", chosen === "dark");
  button.addEventListener("click", () => {
    const dark = document.body.classList.toggle("dark");
    localStorage.setItem(KEY, dark ? "dark" : "light");
  });
  new MutationObserver(say).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  say();
}
