// Requests to the API, and the hidden fields through which this page and Gradio tell each other things.

/** JSON of an address; throws an Error with the server's one line. */
export async function ask(address, options = {}) {
  const answer = await fetch(address, options);
  if (answer.status === 204) return null;
  const values = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(values.error || `${answer.status} ${answer.statusText}`);
  return values;
}

export const post = (address, values) =>
  ask(address, { method: "POST", body: values === undefined ? undefined : JSON.stringify(values) });

const field = (id) => document.querySelector(`#${id} textarea, #${id} input`);

/** Write into a hidden field, as if somebody had typed it. */
export function tell(id, value) {
  const input = field(id);
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

export const told = (id) => field(id)?.value ?? "";

/** Wait for something that a child makes; calls show(status) on the way. */
export async function finished(status, show = () => {}) {
  while (status.state === "queued" || status.state === "running") {
    show(status);
    await new Promise((resolve) => setTimeout(resolve, 500));
    status = await ask(`/api/previews/${status.id}`);
  }
  if (status.state === "failed") throw new Error(status.error);
  return status;
}

/** An element: make("a", {href: "#"}, "text", child, …). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function clock(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) (bytes /= 1000), unit++;
  return `${bytes >= 10 || !unit ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

/** Show, or hide, a line about what went wrong. */
export function alertIn(element, error) {
  element.textContent = error ? error.message : "";
  element.hidden = !error;
}
