/**
 * Keys for what is done often, and the sheet that lists them. They work only while no field and no remote desktop has
 * the keyboard, and can be switched off (WCAG 2.1.4).
 */

import { byId, fill, h } from "./dom.js";
import { w } from "./words.js";

const STORAGE = "beistand.shortcuts";

export class Shortcuts {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {[string, string, () => void][]} key, words, what it does */
    this.table = [
      ["n", "console.shortcuts.new_key", () => void app.start.create()],
      ["a", "console.shortcuts.accept", () => this.#acceptFirst()],
      ["1…9", "console.shortcuts.session", () => undefined],
      ["c", "console.shortcuts.chat", () => app.view?.focusChat()],
      ["r", "console.shortcuts.control", () => void app.view?.requestControl()],
      ["f", "console.shortcuts.full", () => void app.view?.fullscreen()],
      ["b", "console.shortcuts.rail", () => app.view?.fold()],
      ["h", "console.shortcuts.home", () => (location.hash = "")],
      ["p", "console.shortcuts.past", () => (location.hash = "past")],
      ["?", "console.shortcuts.help", () => this.open()],
    ];
    this.#dialog = /** @type {HTMLDialogElement} */ (byId("shortcuts"));
    this.#switch = /** @type {HTMLInputElement} */ (byId("shortcuts-on"));
    this.#switch.checked = localStorage.getItem(STORAGE) !== "off";
    this.#switch.addEventListener("change", () => localStorage.setItem(STORAGE, this.#switch.checked ? "on" : "off"));
    fill(
      byId("shortcuts-list"),
      ...this.table.flatMap(([key, words]) => [h("dt", null, h("kbd", null, key)), h("dd", null, w(words))]),
      h("dt", null, h("kbd", null, "Ctrl"), " ", h("kbd", null, "Alt"), " ", h("kbd", null, "Shift")),
      h("dd", null, w("console.shortcuts.leave")),
    );
    byId("shortcuts-open").addEventListener("click", () => this.open());
    byId("shortcuts-close").addEventListener("click", () => this.#dialog.close());
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  #dialog;
  #switch;

  open() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #acceptFirst() {
    const first = this.app.state.queue?.[0];
    if (first) void this.app.accept(first.session);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (!this.#switch.checked || this.#dialog.open || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const target = /** @type {Element} */ (event.target);
    if (target.closest("input:not([type=radio]), textarea, select, [contenteditable], dialog, details[open]")) return;
    if (/^[1-9]$/.test(event.key)) {
      const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("#session-list a"));
      links[Number(event.key) - 1]?.click();
      return;
    }
    const found = this.table.find(([key]) => key === event.key);
    if (!found) return;
    event.preventDefault();
    found[2]();
  }
}
