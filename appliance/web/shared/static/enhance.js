/**
 * Small comforts on pages that work without them: copy buttons, the browser's time zone as a first guess, times that
 * stay true while a page is open, the error summary in focus.
 */

/** @param {HTMLElement} source */
function textOf(source) {
  if (source instanceof HTMLInputElement) return source.value;
  const items = [...source.querySelectorAll("li")];
  return items.length ? items.map((item) => item.textContent?.trim()).join("\n") : (source.textContent ?? "").trim();
}

/** @type {NodeListOf<HTMLButtonElement>} */
const copyButtons = document.querySelectorAll("button[data-copy]");
for (const button of copyButtons) {
  const source = document.getElementById(button.dataset.copy ?? "");
  if (!source || !navigator.clipboard) continue;
  button.hidden = false;
  const label = button.querySelector("span");
  const before = label?.textContent ?? "";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(textOf(source));
    } catch {
      // Not allowed here: select it, so that the keyboard can copy it.
      if (source instanceof HTMLInputElement) source.select();
      return;
    }
    if (!label) return;
    label.textContent = label.dataset.done ?? before;
    setTimeout(() => (label.textContent = before), 2000);
  });
}

/** @type {HTMLSelectElement | null} */
const zone = document.querySelector("select[name=time_zone][data-guess]");
if (zone && zone.value === "UTC") {
  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zone.options].some((option) => option.value === guess)) zone.value = guess;
}

/** @type {HTMLElement | null} */
const summary = document.querySelector("[data-focus]");
const wrong = [...(summary?.querySelectorAll("a") ?? [])];
for (const link of wrong.length > 1 ? wrong : []) {
  // "Fill this in" five times says less than which five.
  const name = document.querySelector(`label[for="${link.hash.slice(1)}"]`)?.textContent?.trim();
  if (name) link.prepend(`${name}: `);
}
summary?.focus();

// The current tab of a row that is wider than the phone.
document.querySelector(".rail [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const STEPS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

function refreshTimes() {
  for (const element of document.querySelectorAll("time[title]")) {
    const seconds = (Date.parse(element.getAttribute("datetime") ?? "") - Date.now()) / 1000;
    const step = STEPS.find(([, length]) => Math.abs(seconds) >= length);
    if (step && seconds < 0) element.textContent = relative.format(Math.ceil(seconds / step[1]), step[0]);
    else if (step) element.textContent = relative.format(Math.round(seconds / step[1]), step[0]);
  }
}

setInterval(() => {
  if (!document.hidden) refreshTimes();
}, 30000);
