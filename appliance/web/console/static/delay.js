/** The delay of the picture, divided into its parts: one small bar that names the culprit and opens to figures. */

import { fill, h, icon, menu, setText } from "./dom.js";
import { w } from "./words.js";

/** In the order of the picture's way. */
export const PARTS = /** @type {const} */ (["capture", "encode", "uplink", "appliance", "downlink", "decode"]);
/** Past this, the largest part is named. */
const SLOW_MS = 150;
const SHARE = 0.5;

/** @typedef {Record<(typeof PARTS)[number], number>} Delays in milliseconds */

/** The part that makes the picture slow, or "". @param {Delays} delays */
export function culprit(delays) {
  const total = PARTS.reduce((sum, part) => sum + delays[part], 0);
  const worst = PARTS.reduce((a, b) => (delays[b] > delays[a] ? b : a));
  return total > SLOW_MS && delays[worst] > total * SHARE ? worst : "";
}

export class DelayBar {
  /** @type {Delays | null} */
  #delays = null;
  #segments = PARTS.map((part) => h("span", { class: `delay-${part}` }));
  #total = h("span", { class: "number" });
  #table = h("dl", { class: "delay-figures" });
  #quality = h("p", { class: "small muted" });

  constructor() {
    this.element = menu(
      { label: w("console.delay.label"), class: "tool delay" },
      h("h2", { class: "small-heading" }, w("console.delay.label")),
      this.#table,
      this.#quality,
    );
    const summary = /** @type {HTMLElement} */ (this.element.querySelector("summary"));
    fill(summary, icon("gauge"), h("span", { class: "delay-bar", "aria-hidden": "true" }, ...this.#segments), this.#total);
    this.element.classList.add("delay-menu");
    this.#draw({ quarters: 4, delay: 0 });
  }

  /** @param {Delays | null} delays null: not known @param {{ quarters: number, delay: number }} rate */
  show(delays, rate) {
    this.#delays = delays;
    this.#draw(rate);
  }

  /** @param {{ quarters: number, delay: number }} rate */
  #draw(rate) {
    const delays = this.#delays;
    const total = delays ? PARTS.reduce((sum, part) => sum + delays[part], 0) : 0;
    const worst = delays ? culprit(delays) : "";
    const name = worst && w(`console.delay.${worst}`);
    const figure = delays ? w("console.delay.ms", { ms: Math.round(total) }) : w("console.delay.unknown");
    setText(this.#total, worst ? `${figure} · ${name}` : figure);
    this.element.classList.toggle("slow", Boolean(worst) || rate.quarters < 4);
    const longest = Math.max(total, SLOW_MS);
    this.#segments.forEach((segment, index) => {
      segment.style.width = `${delays ? (100 * delays[PARTS[index]]) / longest : 0}%`;
    });
    const quality =
      rate.quarters === 4
        ? w("console.delay.full")
        : w("console.delay.reduced", { percent: rate.quarters * 25, ms: rate.delay });
    setText(this.#quality, quality);
    const summary = /** @type {HTMLElement} */ (this.element.querySelector("summary"));
    summary.setAttribute("aria-label", `${w("console.delay.label")}: ${this.#total.textContent}`);
    if (!delays) return;
    fill(
      this.#table,
      ...PARTS.flatMap((part) => [
        h("dt", { class: part === worst ? "worst" : "" }, h("span", { class: `swatch delay-${part}` }), w(`console.delay.${part}`)),
        h("dd", { class: "number" }, w("console.delay.ms", { ms: delays[part].toFixed(delays[part] < 10 ? 1 : 0) })),
      ]),
    );
  }
}
