/** Past sessions: the list with its search, from the newest back. */

import { button, byId, fill, h, icon } from "./dom.js";
import { customerName } from "./state.js";
import { Refused } from "./wire.js";
import { absolute, duration, relative, tell, w } from "./words.js";

/**
 * @typedef {object} PastSession
 * @property {string} id
 * @property {number} began_at
 * @property {number} ended_at
 * @property {string} technician
 * @property {string} host
 * @property {string} user
 * @property {string} os
 * @property {import("./state.js").Text} reason
 * @property {string} notes
 * @property {boolean} recording
 */

export class Past {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.#search = /** @type {HTMLInputElement} */ (byId("past-search"));
    this.#recorded = /** @type {HTMLInputElement} */ (byId("past-recorded"));
    this.#search.addEventListener("input", () => this.#draw());
    this.#recorded.addEventListener("change", () => this.#draw());
    byId("past-form").addEventListener("submit", (event) => event.preventDefault());
    this.#more = button({ text: w("console.past.more"), press: () => void this.#load() });
    byId("past-more").append(this.#more);
  }

  /** @type {PastSession[]} */
  #sessions = [];
  #hasMore = true;
  #loading = false;
  #search;
  #recorded;
  #more;

  /** Shown: begin with the newest. */
  open() {
    if (this.app.link.state !== "open" || this.#loading) return;
    this.#sessions = [];
    this.#hasMore = true;
    void this.#load();
  }

  async #load() {
    this.#loading = true;
    this.#draw();
    const last = this.#sessions.at(-1);
    try {
      const page = await this.app.link.call("recordings.list", last ? { before: last.began_at } : {});
      this.#sessions.push(...page.sessions);
      this.#hasMore = page.more;
      this.#loading = false;
      this.#draw();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#loading = false;
      this.#failed(tell(error.refusal));
    }
  }

  /** @param {string} text */
  #failed(text) {
    fill(
      byId("past-list"),
      h(
        "div",
        { class: "notice error", role: "alert" },
        icon("alert"),
        h("div", null, h("p", null, h("strong", null, w("console.past.failed"))), h("p", null, text)),
        button({ text: w("common.action.retry"), press: () => void this.#load() }),
      ),
    );
  }

  #draw() {
    const list = byId("past-list");
    const wanted = this.#search.value.trim().toLowerCase();
    const found = this.#sessions.filter((session) => this.#matches(session, wanted));
    this.#more.hidden = !this.#hasMore || this.#loading || this.#sessions.length === 0;
    if (this.#loading && this.#sessions.length === 0) {
      fill(list, ...[1, 2, 3].map(() => h("div", { class: "skeleton past-skeleton" })), h("p", { class: "hidden-text", role: "status" }, w("console.past.loading")));
    } else if (this.#sessions.length === 0) {
      fill(list, h("div", { class: "empty" }, icon("clock"), h("h2", null, w("console.past.empty")), h("p", null, w("console.past.empty_text"))));
    } else if (found.length === 0) {
      fill(list, h("div", { class: "empty" }, icon("search"), h("h2", null, w("console.past.none")), h("p", null, w("console.past.none_text"))));
    } else {
      fill(list, this.#table(found));
    }
  }

  /** @param {PastSession} session @param {string} wanted */
  #matches(session, wanted) {
    if (this.#recorded.checked && !session.recording) return false;
    const { technician, host, user, os, notes } = session;
    const text = [technician, host, user, os, notes, tell(session.reason), absolute(session.began_at)].join(" ").toLowerCase();
    return wanted.split(/\s+/).every((word) => text.includes(word));
  }

  /** @param {PastSession[]} sessions */
  #table(sessions) {
    const heads = ["customer", "technician", "began", "lasted", "reason", "recording"];
    return h(
      "div",
      { class: "table-frame" },
      h(
        "table",
        { class: "table folds" },
        h("thead", null, h("tr", null, ...heads.map((name) => h("th", { scope: "col" }, w(`console.past.${name}`))))),
        h("tbody", null, ...sessions.map((session) => this.#row(session))),
      ),
    );
  }

  /** @param {PastSession} session */
  #row(session) {
    const began = new Date(session.began_at * 1000).toISOString();
    /** @param {string} name @param {...any} content */
    const cell = (name, ...content) => h("td", { "data-label": w(`console.past.${name}`) }, h("div", null, ...content));
    return h(
      "tr",
      null,
      cell(
        "customer",
        h("div", null, customerName(session, w("console.queue.customer"))),
        session.os && h("div", { class: "small muted" }, session.os),
        session.notes && h("div", { class: "small muted past-notes", title: session.notes }, session.notes),
      ),
      cell("technician", session.technician),
      cell("began", h("time", { datetime: began, title: absolute(session.began_at) }, relative(session.began_at, this.app.state.now()))),
      cell("lasted", h("span", { class: "number" }, duration(session.ended_at - session.began_at))),
      cell("reason", tell(session.reason)),
      cell(
        "recording",
        session.recording
          ? h("a", { class: "button small-button", href: `/console/recordings/${session.id}` }, icon("play"), w("console.past.play"))
          : h("span", { class: "muted" }, w("console.past.no_recording")),
      ),
    );
  }
}
