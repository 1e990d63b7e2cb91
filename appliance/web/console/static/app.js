/** The console of one tab: its connection, its state, and which view is shown. Everything starts here. */

import { Alerts } from "./alerts.js";
import { announce, byId, fill, icon, setText, toast, wireMenu } from "./dom.js";
import { Others } from "./others.js";
import { Past } from "./past.js";
import { SessionView } from "./session.js";
import { Shortcuts } from "./shortcuts.js";
import { Side, isLive, keyWarning } from "./side.js";
import { Start } from "./start.js";
import { State, customerName } from "./state.js";
import { Link, Refused } from "./wire.js";
import { tell, w } from "./words.js";

const PRESENCES = ["available", "busy", "away"];

export class App {
  state = new State();
  alerts = new Alerts();
  /** @type {Map<string, SessionView>} */
  views = new Map();

  constructor() {
    this.link = new Link(`wss://${location.host}/console/socket`, {
      message: (message) => this.#take(message),
      state: (state, refusal) => this.#linkState(state, refusal),
      mayRetry: () => this.#stillSignedIn(),
    });
    this.side = new Side(this);
    this.start = new Start(this);
    this.past = new Past(this);
    this.others = new Others(this);
    this.shortcuts = new Shortcuts(this);
    this.state.listen((topic, id) => this.#changed(topic, id));
    const side = byId("side");
    addEventListener("hashchange", () => {
      // The strip would lie over the tools of what was just chosen in it, until the pointer has left.
      side.classList.add("shut");
      this.#show();
    });
    for (const name of ["pointerleave", "focusout"]) side.addEventListener(name, () => side.classList.remove("shut"));
    document.addEventListener("visibilitychange", () => this.view?.show(true));
    for (const presence of PRESENCES) {
      byId(`presence-${presence}`).addEventListener("change", () => void this.call("presence.set", { presence }));
    }
    byId("link-retry").addEventListener("click", () => this.link.retryNow());
    document.querySelectorAll("details.drop").forEach((details) => wireMenu(/** @type {HTMLDetailsElement} */ (details)));
    setInterval(() => this.#tick(), 250);
  }

  #ticks = 0;
  /** Customers that were announced already. @type {Set<string>} */
  #announced = new Set();
  /** The last warning of each key. @type {Map<string, string>} */
  #warned = new Map();

  /** What the address names: "", "key/ID", "session/ID", "past". */
  get route() {
    return location.hash.slice(1);
  }

  /** The session that is shown. @returns {SessionView | undefined} */
  get view() {
    const [name, id] = this.route.split("/");
    return name === "session" ? this.views.get(id) : undefined;
  }

  begin() {
    this.#show();
    this.link.start();
  }

  /**
   * Ask the broker; a refusal is shown.
   * @param {string} name @param {object} [params] @returns {Promise<any>} the answer, or undefined when it was refused
   */
  async call(name, params = {}) {
    try {
      return (await this.link.call(name, params)) ?? true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      toast(tell(error.refusal), "error");
      return undefined;
    }
  }

  /** Accept a customer who waits, and ask to see their screen. @param {string} session */
  async accept(session) {
    if (!(await this.call("session.accept", { session }))) return;
    this.#asks.add(session);
    location.hash = `session/${session}`;
    this.#askScreen(session);
  }

  /** Look on in somebody else's session. @param {string} session */
  async observe(session) {
    if (await this.call("session.observe", { session })) location.hash = `session/${session}`;
  }

  /** Somebody else wrote in a session. @param {SessionView} view @param {import("./chat.js").ChatMessage} message */
  wrote(view, message) {
    if (view === this.view && !document.hidden) return;
    const name = message.name || w("console.chat.customer");
    announce(w("console.alerts.wrote", { name }));
    this.alerts.raise("message", w("console.alerts.wrote", { name }), message.text.slice(0, 140), `session/${view.session.id}`);
  }

  // -- inside ----------------------------------------------------------------------------------------------------

  /** Sessions whose screen is asked for as soon as they are active. @type {Set<string>} */
  #asks = new Set();

  /** @param {string} session */
  #askScreen(session) {
    const view = this.views.get(session);
    if (!this.#asks.has(session) || view?.session.state !== "active") return;
    this.#asks.delete(session);
    if (this.state.may("screen")) view.openScreen();
  }

  /** @param {any} message */
  #take(message) {
    if (message.t === "update") this.state.apply(message);
    else if (message.t === "delay") this.views.get(message.session)?.delays(message);
    else if (message.t === "notice") toast(tell(message));
  }

  /** @param {string} topic @param {string} id */
  #changed(topic, id) {
    if (topic === "session") this.#sessionChanged(id);
    if (topic === "me") this.#drawMe();
    if ((topic === "me" || topic === "technicians") && !byId("home").hidden) void this.others.open();
    if (topic === "queue") this.#drawQueueAlerts();
    if (topic === "keys") this.#tellKeyWarnings();
    this.side.draw();
    this.start.draw();
    this.#drawBadge();
  }

  /** @param {string} id */
  #sessionChanged(id) {
    const session = this.state.sessions.get(id);
    const view = this.views.get(id);
    if (session && view) {
      view.update(session);
      this.#askScreen(id);
    } else if (session) {
      const made = new SessionView(this, session);
      this.views.set(id, made);
      byId("session-place").append(made.element);
      this.#show();
      this.#askScreen(id);
    } else if (view) {
      const shown = view === this.view;
      this.views.delete(id);
      view.dispose();
      if (shown) location.hash = "";
    }
  }

  #drawMe() {
    const { me } = this.state;
    if (!me) return;
    const chosen = /** @type {HTMLInputElement} */ (byId(`presence-${me.presence}`));
    chosen.checked = true;
    byId("presence").dataset.presence = me.presence;
  }

  #drawQueueAlerts() {
    const queue = this.state.queue ?? [];
    for (const item of queue) {
      if (this.#announced.has(item.session)) continue;
      const name = customerName(item, w("console.queue.customer"));
      const text = w("console.alerts.waits", { name });
      announce(text);
      // Those who waited already when the page was opened ring as well: nobody else may have noticed them.
      this.alerts.raise("waiting", text, tell(item.reason), "");
    }
    this.#announced = new Set(queue.map((item) => item.session));
  }

  /** A customer stands in front of a closed door: say so at once. */
  #tellKeyWarnings() {
    for (const key of this.state.keys ?? []) {
      const warning = isLive(key) ? keyWarning(key) : "";
      if (warning && this.#warned.get(key.id) !== warning) toast(`${key.display}: ${warning}`, "error");
      this.#warned.set(key.id, warning);
    }
  }

  #drawBadge() {
    let count = this.state.queue?.length ?? 0;
    for (const session of this.state.sessions.values()) if (!session.ended) count += session.unread;
    this.alerts.badge(count);
  }

  /** Show what the address names. */
  #show() {
    const [name] = this.route.split("/");
    const session = this.view;
    const views = { home: name === "" || (name === "session" && !session), key: name === "key", past: name === "past" };
    byId("home").hidden = !views.home;
    byId("key").hidden = !views.key;
    byId("past").hidden = !views.past;
    document.body.dataset.view = session ? "session" : views.home ? "home" : name;
    // First the place: what is hidden takes no focus and has no size to fit a picture into.
    byId("session-place").hidden = !session;
    for (const view of this.views.values()) view.show(view === session);
    byId("past-link").toggleAttribute("data-current", views.past);
    if (views.past) this.past.open();
    if (views.home) void this.others.open();
    this.side.draw();
    this.start.draw();
  }

  /** @param {import("./wire.js").LinkState} state @param {any} refusal */
  #linkState(state, refusal) {
    const sign = byId("link");
    sign.dataset.state = state;
    sign.hidden = state === "open";
    if (state === "open") announce(w("console.link.open"));
    if (state === "open" && this.route === "past") this.past.open();
    if (state === "refused") toast(tell(refusal), "error");
    byId("link-retry").hidden = state !== "waiting";
    this.#drawLink();
  }

  #drawLink() {
    const { link } = this;
    if (link.state === "open") return;
    const seconds = Math.max(0, Math.ceil((link.retryAt - performance.now()) / 1000));
    const text = link.state === "waiting" && seconds > 0 ? w("console.link.waiting", { n: seconds }) : w(`console.link.${link.state}`);
    setText(byId("link-text"), text);
  }

  /** @returns {Promise<boolean>} whether trying again makes sense: not when the sign-in is over */
  async #stillSignedIn() {
    try {
      const answer = await fetch("/console", { method: "HEAD", redirect: "manual", cache: "no-store" });
      if (answer.type !== "opaqueredirect" && answer.status !== 403) return true;
    } catch {
      return true; // The appliance cannot be reached; that is what trying again is for.
    }
    const place = byId("link-text");
    fill(place, icon("lock"), w("console.link.signed_out"));
    location.assign(`/login?next=${encodeURIComponent("/console")}`);
    return false;
  }

  #tick() {
    this.#ticks += 1;
    for (const view of this.views.values()) view.tick();
    if (this.#ticks % 4) return;
    this.side.draw();
    this.start.draw();
    this.#drawLink();
  }
}

new App().begin();
navigator.serviceWorker?.addEventListener("message", ({ data }) => {
  if (typeof data?.show === "string") location.hash = data.show;
});
void navigator.serviceWorker?.register("/console/sw.js", { scope: "/console" }).catch(() => undefined);
