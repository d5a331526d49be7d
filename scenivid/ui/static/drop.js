// Bring a file: dropped or chosen, sent as it lies on the disk, never read into memory here.
import { ask, alertIn, size, tell } from "./ask.js";

const KEY = "scenivid-source";
let request = null;

export function watchDrop() {
  const box = document.querySelector(".sv-drop");
  const input = box.querySelector("input");
  input.addEventListener("change", () => input.files[0] && bring(box, input.files[0]));
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      box.classList.add("sv-over");
    });
  }
  document.addEventListener("dragleave", (event) => event.relatedTarget || box.classList.remove("sv-over"));
  document.addEventListener("drop", (event) => {
    box.classList.remove("sv-over");
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    bring(box, file);
  });
  box.querySelector("button").addEventListener("click", () => request?.abort());
}

/** After a reload, take up the file that was chosen before. */
export async function restoreSource() {
  const source = sessionStorage.getItem(KEY);
  if (!source) return;
  try {
    chosen(await ask(`/api/sources?source=${encodeURIComponent(source)}`));
  } catch {
    sessionStorage.removeItem(KEY);
  }
}

function chosen(source) {
  const length = source.still ? "" : ` · ${source.duration?.toFixed(1)} s · ${source.rate_hz.toFixed(2).replace(/\.?0+$/, "")} fps`;
  document.querySelector(".sv-file-name").textContent = `${source.title}: ${source.width} × ${source.height}${length}`;
  sessionStorage.setItem(KEY, source.name);
  tell("sv-source", source.name);
}

function bring(box, file) {
  request?.abort();
  const [row, bar, text] = [".sv-bringing", "progress", ".sv-brought"].map((name) => box.querySelector(name));
  const wrong = box.querySelector(".sv-alert");
  alertIn(wrong, null);
  row.hidden = false;
  bar.value = 0;
  const sent = (request = new XMLHttpRequest());
  sent.open("PUT", `/api/uploads/${encodeURIComponent(file.name)}`);
  sent.upload.addEventListener("progress", (event) => {
    bar.value = event.loaded / (event.total || 1);
    text.textContent = `${size(event.loaded)} of ${size(file.size)}`;
  });
  sent.addEventListener("loadend", () => {
    row.hidden = true;
    if (request === sent) request = null;
    box.querySelector("input").value = "";
    if (sent.status === 201) return chosen(JSON.parse(sent.responseText));
    if (sent.status === 0 && !request) return alertIn(wrong, new Error("the upload was stopped"));
    let reason = `${sent.status} ${sent.statusText}`;
    try {
      reason = JSON.parse(sent.responseText).error;
    } catch {}
    alertIn(wrong, new Error(reason));
  });
  sent.send(file);
}
