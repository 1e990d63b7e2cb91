/** The left column: who waits, the sessions one is in, the keys that are out. */

import { button, byId, fill, h, icon, keyed, setText } from "./dom.js";
import { customerName } from "./state.js";
import { absolute, duration, tell, w } from "./words.js";

/** @typedef {import("./state.js").Session} Session */
/** @typedef {import("./state.js").Waiting} Waiting */
/** @typedef {import("./state.js").Key} Key */

/** Keys that may still lead somewhere. @param {Key} key */
export const isLive = (key) => !["expired", "revoked", "connected"].includes(key.state);

export class Side {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.#waiting = byId("waiting-list");
    this.#sessions = byId("session-list");
    this.#keys = byId("key-list");
  }

  #waiting;
  #sessions;
  #keys;

  /** Draw everything anew from the state; also once a second, for the times in it. */
  draw() {
    const { state } = this.app;
    this.#list("waiting", this.#waiting, state.queue, (item) => item.session, (item) => this.#waitingRow(item));
    const sessions = state.me && [...state.sessions.values()].sort((a, b) => a.since - b.since);
    this.#list("session", this.#sessions, sessions, (item) => item.id, (item) => this.#sessionRow(item));
    const keys = state.keys && state.keys.filter((key) => isLive(key) && key.expires_at > state.now());
    this.#list("key", this.#keys, keys, (item) => item.id, (item) => this.#keyRow(item));
    byId("key-section").hidden = !keys?.length;
  }

  /**
   * @template T
   * @param {string} name @param {HTMLElement} list @param {T[] | null} items null while nothing is known
   * @param {(item: T) => string} key @param {(item: T) => import("./dom.js").Row<T>} make
   */
  #list(name, list, items, key, make) {
    byId(`${name}-loading`).hidden = items !== null;
    byId(`${name}-empty`).hidden = items === null || items.length > 0;
    const count = byId(`${name}-count`);
    setText(count, items?.length ? String(items.length) : "");
    count.hidden = !items?.length;
    keyed(list, items ?? [], key, make);
  }

  /** @param {Waiting} first @returns {import("./dom.js").Row<Waiting>} */
  #waitingRow(first) {
    const { app } = this;
    const name = h("span", { class: "row-name" });
    const detail = h("span", { class: "row-detail" });
    const accept = button({
      text: w("console.queue.accept"),
      class: "button primary small-button",
      press: async (event) => {
        const pressed = /** @type {HTMLButtonElement} */ (event.currentTarget);
        pressed.disabled = true;
        await app.accept(first.session);
        pressed.disabled = false;
      },
    });
    const element = h(
      "li",
      { class: "row" },
      h("span", { class: "initials offered", "aria-hidden": "true" }, icon("bell")),
      h("div", { class: "row-text" }, name, detail),
      accept,
    );
    return {
      element,
      update: (item) => {
        element.classList.toggle("called", item.called);
        setText(name, customerName(item, w("console.queue.customer")));
        setText(detail, [duration(app.state.now() - item.since), item.system].filter(Boolean).join(" · "));
        element.title = `${absolute(item.since)} · ${tell(item.reason)}`;
        accept.setAttribute("aria-label", w("console.queue.accept_named", { name: name.textContent ?? "" }));
      },
    };
  }

  /** @param {Session} first @returns {import("./dom.js").Row<Session>} */
  #sessionRow(first) {
    const { app } = this;
    const mark = h("span", { class: "state-mark" });
    const initials = h("span", { class: "initials", "aria-hidden": "true" });
    const name = h("span", { class: "row-name" });
    const detail = h("span", { class: "row-detail" });
    const badge = h("span", { class: "badge" });
    const link = h(
      "a",
      { class: "row", href: `#session/${first.id}` },
      mark,
      initials,
      h("span", { class: "row-text" }, name, detail),
      badge,
    );
    return {
      element: h("li", null, link),
      update: (session) => {
        mark.className = `state-mark ${session.ended ? "ended" : session.state}`;
        setText(name, customerName(session.customer, w("console.queue.customer")));
        initials.className = `initials ${session.ended ? "ended" : session.state}`;
        setText(initials, (name.textContent ?? "").slice(0, 2));
        setText(detail, sessionState(session));
        const unread = session.ended ? 0 : session.unread;
        badge.hidden = unread === 0;
        if (!badge.hidden) fill(badge, String(unread), h("span", { class: "hidden-text" }, w("console.chat.unread", { n: unread })));
        if (app.route === `session/${session.id}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      },
    };
  }

  /** @param {Key} first @returns {import("./dom.js").Row<Key>} */
  #keyRow(first) {
    const { app } = this;
    const detail = h("span", { class: "row-detail" });
    const time = h("span", { class: "row-time number" });
    const mark = h("span");
    const link = h(
      "a",
      { class: "row", href: `#key/${first.id}` },
      mark,
      h("span", { class: "row-text" }, h("span", { class: "row-name mono" }, first.display || w("console.key.hidden")), detail),
      time,
    );
    return {
      element: h("li", null, link),
      update: (key) => {
        const warning = keyWarning(key);
        setText(detail, warning || w(`console.key.state.${key.state}`));
        detail.title = detail.textContent ?? "";
        if (!mark.firstChild || mark.dataset.warns !== String(Boolean(warning))) {
          mark.dataset.warns = String(Boolean(warning));
          fill(mark, icon(warning ? "alert" : "key"));
          mark.firstElementChild?.classList.toggle("warning", Boolean(warning));
        }
        setText(time, duration(key.expires_at - app.state.now()));
        if (app.route === `key/${key.id}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      },
    };
  }
}

/** What a technician has to know about a key: no client for the customer's system, a second client refused. @param {Key} key */
export function keyWarning(key) {
  if (key.unsupported) return w("console.key.unsupported", { system: key.unsupported });
  return key.note ? tell(key.note) : "";
}

/** A session's state in words. @param {Session} session @returns {string} */
export function sessionState(session) {
  if (session.ended) return tell(session.ended);
  if (session.state === "lost") return w(session.customer.connected ? "console.state.lost" : "console.state.customer_lost");
  return w(`console.state.${session.state}`);
}
