/** Running sessions of colleagues, for those who may look on. */

import { button, byId, h, keyed, setText } from "./dom.js";
import { customerName } from "./state.js";
import { Refused } from "./wire.js";
import { duration, w } from "./words.js";

/** @typedef {{ id: string, since: number, technician: string, host: string, user: string }} OpenSession */

export class Others {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    byId("others-refresh").addEventListener("click", () => void this.open());
  }

  /** Fetch the list; shown with the start page, and when colleagues come or go. */
  async open() {
    const { app } = this;
    byId("others").hidden = !app.state.may("observe");
    if (!app.state.may("observe") || app.link.state !== "open") return;
    try {
      const sessions = /** @type {OpenSession[]} */ (await app.link.call("sessions.list"));
      const others = sessions.filter(({ id }) => !app.state.sessions.has(id));
      byId("others-empty").hidden = others.length > 0;
      keyed(byId("others-list"), others, ({ id }) => id, (first) => this.#row(first));
    } catch (error) {
      // Lost on the way: it is fetched again with the next connection.
      if (!(error instanceof Refused)) throw error;
    }
  }

  /** @param {OpenSession} first @returns {import("./dom.js").Row<OpenSession>} */
  #row(first) {
    const name = h("span", { class: "row-name" });
    const detail = h("span", { class: "row-detail" });
    const observe = button({ icon: "eye", text: w("console.others.observe"), class: "button small-button", press: () => void this.app.observe(first.id) });
    return {
      element: h("li", { class: "row others-row" }, h("span", { class: "row-text" }, name, detail), observe),
      update: (session) => {
        setText(name, customerName(session, w("console.queue.customer")));
        setText(detail, `${session.technician} · ${duration(this.app.state.now() - session.since)}`);
      },
    };
  }
}
