// The page of a start: copies the line for the terminal, and shows how far the start is. The words come from the server.

const script = /** @type {HTMLElement} */ (document.getElementById("start-script"));
const page = /** @type {HTMLElement} */ (document.getElementById("start"));
const title = /** @type {HTMLElement} */ (document.getElementById("state-title"));
const text = /** @type {HTMLElement} */ (document.getElementById("state-text"));

/** @typedef {{ phase: string, title: string, text: string }} Progress */

/** @param {Progress} progress */
function show(progress) {
  page.dataset.phase = progress.phase;
  if (title.textContent !== progress.title) title.textContent = progress.title;
  if (text.textContent !== progress.text) text.textContent = progress.text;
}

const FINAL = new Set(["ended", "expired"]);
/** @type {EventSource | null} */
let events = null;
let latest = /** @type {Progress} */ ({
  phase: page.dataset.phase ?? "",
  title: title.textContent ?? "",
  text: text.textContent ?? "",
});

function listen() {
  if (events || document.hidden || FINAL.has(latest.phase)) return;
  events = new EventSource(`/start/events${location.search}`);
  events.onmessage = (event) => {
    latest = JSON.parse(event.data);
    show(latest);
    if (FINAL.has(latest.phase)) stop();
  };
  events.onerror = () => {
    // The stream ends by itself now and then and is opened again; only a failure to do so is worth a word.
    if (events?.readyState === EventSource.CLOSED) {
      stop();
      setTimeout(listen, 5000);
    }
    if (retries++ > 0) {
      show({ phase: latest.phase, title: script.dataset.offline ?? "", text: script.dataset.offlineDo ?? "" });
    }
  };
  events.onopen = () => {
    retries = 0;
    show(latest);
  };
}

let retries = 0;

function stop() {
  events?.close();
  events = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
addEventListener("pagehide", stop);
addEventListener("pageshow", listen);
listen();

const copy = /** @type {HTMLButtonElement | null} */ (document.getElementById("copy"));
const line = /** @type {HTMLTextAreaElement | null} */ (document.getElementById("command"));
if (copy && line) {
  const label = /** @type {HTMLElement} */ (copy.querySelector("span"));
  const usual = label.textContent;
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line.value);
      label.textContent = copy.dataset.copied ?? "";
    } catch {
      line.select();
      label.textContent = copy.dataset.failed ?? "";
    }
    setTimeout(() => (label.textContent = usual), 3000);
  });
  line.addEventListener("focus", () => line.select());
}
