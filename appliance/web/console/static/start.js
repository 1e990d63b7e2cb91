/** The page's middle while no session is chosen: make a session key; and a key's own card, to be read out. */

import { button, byId, fill, h, icon, keyed, setText, toast } from "./dom.js";
import { isLive, keyWarning } from "./side.js";
import { absolute, duration, spelled, w } from "./words.js";

/** @typedef {import("./state.js").Key} Key */

/** What the customer does, in order. */
const STEPS = ["opened", "downloaded", "connected"];
/** Validities to choose from beside the site's own, in minutes. */
const VALIDITIES = [10, 30, 60, 240, 1440];

/** @param {number} minutes */
function minutesInWords(minutes) {
  return minutes % 60 === 0 ? w("console.key.hours", { n: minutes / 60 }) : w("console.key.minutes", { n: minutes });
}

/** Copy, and say that it was. @param {string} text @param {string} what */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(w("console.copied", { what }));
  } catch {
    toast(w("console.copy_failed"), "error");
  }
}

export class Start {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    const validity = /** @type {HTMLSelectElement} */ (byId("key-validity"));
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.create(Number(validity.value) || undefined);
    });
    this.#validity = validity;
  }

  #validity;
  #filled = false;
  /** The key that was made last. */
  #made = "";

  /** Make a key and show it. @param {number} [minutes] */
  async create(minutes) {
    const made = await this.app.call("key.create", minutes ? { minutes } : {});
    if (!made) return;
    this.#made = made.id;
    location.hash = `key/${made.id}`;
  }

  draw() {
    const { me } = this.app.state;
    if (me && !this.#filled) {
      this.#filled = true;
      // Pressed before there is a connection, it would be lost.
      /** @type {HTMLButtonElement} */ (byId("key-create")).disabled = false;
      const choices = [...new Set([me.key_minutes, ...VALIDITIES])].sort((a, b) => a - b);
      fill(
        this.#validity,
        ...choices.map((minutes) =>
          h("option", { value: minutes, selected: minutes === me.key_minutes }, minutesInWords(minutes)),
        ),
      );
    }
    const refused = me !== null && !this.app.state.may("session_keys");
    byId("key-form").hidden = refused;
    byId("key-refused").hidden = !refused;
    this.#drawKey();
  }

  #drawKey() {
    const [view, id] = this.app.route.split("/");
    const place = byId("key-view");
    const key = view === "key" ? this.app.state.keys?.find((item) => item.id === id) : undefined;
    keyed(place, key ? [key] : [], (item) => item.id, (item) => this.#keyCard(item));
    // A key that was made right now is in the state a moment later; one that was there and left it is gone.
    if (key && id === this.#made) this.#made = "";
    byId("key-gone").hidden = Boolean(key) || this.app.state.keys === null || id === this.#made;
  }

  /** @param {Key} first @returns {import("./dom.js").Row<Key>} */
  #keyCard(first) {
    const link = new URL(first.link, location.origin).href;
    const validity = h("p", { class: "key-validity" });
    const left = h("div", { class: "key-left" });
    const bar = h("div", { class: "key-bar", "aria-hidden": "true" }, left);
    const steps = h("ol", { class: "key-steps" });
    const note = h("div", { class: "notice warn", role: "status" });
    const next = h("div", { class: "row" });
    const revoke = button({
      icon: "trash",
      text: w("console.key.revoke", { key: first.display || w("console.key.this") }),
      class: "button quiet danger",
      press: () => void this.app.call("key.revoke", { id: first.id }),
    });
    const usable = h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "key-row" },
        bigKey(first),
        button({ icon: "copy", text: w("console.key.copy"), press: () => void copy(first.display, w("console.key.name")) }),
      ),
      h("div", { class: "stack tight" }, validity, bar),
      h("p", { class: "muted" }, w("console.key.tell", { address: location.host })),
      h(
        "div",
        { class: "secret" },
        h("input", { type: "text", readonly: true, value: link, "aria-label": w("console.key.link") }),
        button({ icon: "link", text: w("console.key.copy_link"), press: () => void copy(link, w("console.key.link")) }),
      ),
    );
    const hidden = h("div", { class: "notice" }, icon("info"), h("div", null, w("console.key.hidden_text")));
    const element = h(
      "article",
      { class: "stack wide key-card" },
      first.key ? usable : hidden,
      h("section", { class: "stack tight" }, h("h2", { class: "small-heading" }, w("console.key.progress")), steps, note),
      next,
      h("div", null, revoke),
    );
    /** @param {Key} key */
    const update = (key) => {
      const remaining = key.expires_at - this.app.state.now();
      const live = isLive(key) && remaining > 0;
      const state = live || key.state === "connected" || key.state === "revoked" ? key.state : "expired";
      const remainingText = key.state === "open" ? "console.key.valid_for" : "console.key.start_for";
      setText(validity, live ? w(remainingText, { time: duration(remaining) }) : w(`console.key.state.${state}`));
      validity.title = absolute(key.expires_at);
      left.style.width = `${live ? (100 * remaining) / (key.expires_at - key.created_at) : 0}%`;
      usable.classList.toggle("over", !live);
      revoke.hidden = !live;
      const reached = STEPS.indexOf(key.state);
      if (steps.dataset.reached !== String(reached)) {
        steps.dataset.reached = String(reached);
        fill(steps, ...STEPS.map((step, index) => stepItem(step, index, reached)));
      }
      const warning = keyWarning(key);
      note.hidden = !warning;
      if (warning && note.textContent !== warning) fill(note, icon("alert"), h("div", null, warning));
      this.#drawNext(next, key);
    };
    return { element, update };
  }

  /** What to do once the customer is there. @param {HTMLElement} place @param {Key} key */
  #drawNext(place, key) {
    const waiting = this.app.state.queue?.find((item) => item.session === key.session);
    const mine = key.session !== null && this.app.state.sessions.has(key.session);
    const wanted = mine ? "open" : waiting ? "accept" : "";
    if (place.dataset.shows === wanted) return;
    place.dataset.shows = wanted;
    const session = key.session ?? "";
    fill(
      place,
      wanted === "accept" && button({ text: w("console.queue.accept"), class: "button primary large", press: () => void this.app.accept(session) }),
      wanted === "open" && h("a", { class: "button primary large", href: `#session/${session}` }, w("console.session.open")),
    );
  }
}

/** @param {string} step @param {number} index @param {number} reached */
function stepItem(step, index, reached) {
  const done = index <= reached;
  return h(
    "li",
    { class: done ? "done" : "", "aria-current": index === reached ? "step" : null },
    done ? icon("check") : h("span", { class: "step-dot", "aria-hidden": "true" }),
    h("span", null, w(`console.key.state.${step}`)),
  );
}

/** The key in big characters, each with the word that it is spelled by. @param {Key} key */
function bigKey(key) {
  const groups = key.display.split(/[\s-]+/);
  const words = [...key.key].map(spelled).join(", ");
  return h(
    "div",
    { class: "big-key", role: "img", "aria-label": w("console.key.read", { key: key.display, words }) },
    ...groups.map((group) =>
      h(
        "div",
        { class: "key-group", "aria-hidden": "true" },
        ...[...group].map((character) =>
          h("div", { class: "key-character" }, h("span", null, character), h("small", null, spelled(character))),
        ),
      ),
    ),
  );
}
