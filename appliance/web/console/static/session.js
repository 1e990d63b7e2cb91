/** One session: its tools, its screen, and the rail with chat, notes and details. */

import { Chat } from "./chat.js";
import { Clipboard, Controls } from "./controls.js";
import { DelayBar } from "./delay.js";
import { Details } from "./details.js";
import { announce, button, fill, h, icon, setText, toast } from "./dom.js";
import { sessionState } from "./side.js";
import { Stage } from "./stage.js";
import { customerName } from "./state.js";
import { Toolbar } from "./toolbar.js";
import { duration, tell, w } from "./words.js";

/** @typedef {import("./state.js").Session} Session */

const RAIL_KEY = "beistand.rail";
const TABS = /** @type {const} */ (["chat", "notes", "details"]);

export class SessionView {
  /** @param {import("./app.js").App} app @param {Session} session */
  constructor(app, session) {
    this.app = app;
    this.session = session;
    const { link, state } = app;
    const openedAt = state.now();
    this.chat = new Chat(link, session.id, () => state.me?.id ?? "", (message) => {
      if (message.at > openedAt - 2) app.wrote(this, message);
    });
    this.stage = new Stage(link, session.id, {
      changed: () => this.#draw(),
      closed: (refusal) => {
        this.#refusal = refusal;
        this.#draw();
      },
    });
    this.clipboard = new Clipboard(link, session.id, (written) => toast(w(written ? "console.clipboard.received" : "console.clipboard.waiting")));
    this.controls = new Controls(link, session.id, this.stage, this.clipboard, () => this.toolbar.focus());
    this.delay = new DelayBar();
    this.details = new Details(app, session.id);
    this.toolbar = new Toolbar(this);
    this.#strip = h("div", { class: "words-strip" });
    this.rail = this.#makeRail();
    this.#notice = h("div", { class: "session-notice", role: "status", hidden: true });
    this.middle = h("div", { class: "middle" }, this.toolbar.element, this.#notice, this.stage.element);
    this.element = h("section", { class: "session", "aria-label": this.name }, this.middle, this.rail);
    this.element.dataset.pane = "rail";
    this.element.classList.toggle("folded", localStorage.getItem(RAIL_KEY) === "folded");
    this.#showTab("chat");
    if (session.tools.screen?.decision === "allow") this.stage.open();
    this.#draw();
  }

  /** Why the screen was closed or refused. @type {{ reason: string, args?: any } | null} */
  #refusal = null;
  #notice;
  #strip;
  #visible = false;
  /** @type {(typeof TABS)[number]} */
  #tab = "chat";
  /** @type {HTMLButtonElement[]} */
  #tabs = [];
  /** @type {HTMLElement[]} */
  #panels = [];
  #said = "";
  /** The last message about the delay. @type {any} */
  #parts = null;

  get name() {
    return customerName(this.session.customer, w("console.queue.customer"));
  }

  get me() {
    return this.app.state.me?.id ?? "";
  }

  get controlling() {
    return this.session.controller !== null && this.session.controller === this.me;
  }

  /** @param {Session} session */
  update(session) {
    const before = this.session;
    this.session = session;
    const active = session.state === "active" && !session.ended;
    this.clipboard.set(active && session.tools.clipboard?.decision === "allow");
    this.controls.set(active && this.controlling && this.stage.isOpen);
    if (session.ended) {
      this.stage.close();
      this.chat.freeze();
    } else if (active && !this.stage.isOpen && this.#newlyAllowed(before, session)) {
      this.openScreen();
    }
    this.details.update(session);
    this.#draw();
  }

  /** Ask for the screen; the customer is asked where they have not agreed. */
  openScreen() {
    this.#refusal = null;
    this.stage.open();
    this.#draw();
  }

  async requestControl() {
    const asked = await this.app.call("control.request", { session: this.session.id });
    if (asked && !asked.granted) announce(w("console.control.asked"));
  }

  giveBack() {
    void this.app.call("control.give_back", { session: this.session.id });
  }

  /** @param {any} message Update apart, what the appliance says about this session */
  delays(message) {
    this.#parts = message;
  }

  /** @param {boolean} visible */
  show(visible) {
    this.#visible = visible;
    this.element.hidden = !visible;
    this.#seeChat();
    if (visible) this.stage.layOut();
    if (visible && this.controls.active) this.controls.focus();
  }

  /** Four times a second. */
  tick() {
    const there = this.session.customer.connected && this.session.state === "active";
    this.stage.check(there);
    this.#drawNotice();
    const downlink = this.app.link.roundTrip / 2;
    const known = this.#parts && this.stage.hasPicture && !this.stage.old;
    const { capture = 0, encode = 0, uplink = 0, appliance = 0 } = this.#parts ?? {};
    const delays = { capture, encode, uplink, appliance, downlink: downlink || 0, decode: this.stage.decode };
    this.delay.show(known ? delays : null, this.stage.rate);
    this.details.tick();
  }

  /** Fold the rail away, or bring it back. */
  fold() {
    const folded = this.element.classList.toggle("folded");
    localStorage.setItem(RAIL_KEY, folded ? "folded" : "open");
    this.toolbar.draw();
    this.#seeChat();
  }

  get folded() {
    return this.element.classList.contains("folded");
  }

  /** On a phone either the rail or the screen is there. @param {"rail" | "screen"} pane */
  pane(pane) {
    this.element.dataset.pane = pane;
    this.toolbar.draw();
    this.#seeChat();
    this.stage.layOut();
  }

  focusChat() {
    if (this.folded) this.fold();
    this.pane("rail");
    this.#showTab("chat");
    this.chat.input.focus();
  }

  async fullscreen() {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
      return;
    }
    await this.middle.requestFullscreen({ navigationUI: "hide" });
    // Keys such as Alt+Tab and Esc then reach the remote desktop; holding Esc leaves.
    const { keyboard } = /** @type {{ keyboard?: { lock: () => Promise<void> } }} */ (/** @type {unknown} */ (navigator));
    await keyboard?.lock().catch(() => undefined);
    this.stage.layOut();
    this.controls.focus();
  }

  dispose() {
    this.controls.set(false);
    this.stage.dispose();
    this.clipboard.set(false);
    this.chat.close();
    this.element.remove();
  }

  // -- inside ----------------------------------------------------------------------------------------------------

  /** @param {Session} before @param {Session} after */
  #newlyAllowed(before, after) {
    const allowed = after.tools.screen?.decision === "allow";
    return allowed && (before.tools.screen?.decision !== "allow" || before.state !== "active");
  }

  #seeChat() {
    const onScreen = this.element.dataset.pane === "rail" || matchMedia("(min-width: 761px)").matches;
    this.chat.show(this.#visible && this.#tab === "chat" && !this.folded && onScreen);
  }

  #makeRail() {
    const contents = { chat: this.chat.element, notes: this.details.notes, details: this.details.element };
    const prefix = `rail-${this.session.id}`;
    this.#tabs = TABS.map((name) =>
      h(
        "button",
        { type: "button", role: "tab", id: `${prefix}-tab-${name}`, "aria-controls": `${prefix}-${name}`, onclick: () => this.#showTab(name) },
        w(`console.rail.${name}`),
      ),
    );
    this.#panels = TABS.map((name) =>
      h("div", { class: `rail-panel rail-${name}`, role: "tabpanel", tabindex: name === "details" ? "0" : null, id: `${prefix}-${name}`, "aria-labelledby": `${prefix}-tab-${name}` }, contents[name]),
    );
    const list = h("div", { class: "rail-tabs", role: "tablist", "aria-label": w("console.rail.label") }, ...this.#tabs);
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (TABS.indexOf(this.#tab) + step + TABS.length) % TABS.length;
      this.#showTab(TABS[next]);
      this.#tabs[next].focus();
    });
    return h("aside", { class: "rail", "aria-label": w("console.rail.label") }, list, this.#strip, ...this.#panels);
  }

  /** @param {(typeof TABS)[number]} name */
  #showTab(name) {
    this.#tab = name;
    TABS.forEach((tab, index) => {
      this.#tabs[index].setAttribute("aria-selected", String(tab === name));
      this.#tabs[index].tabIndex = tab === name ? 0 : -1;
      this.#panels[index].hidden = tab !== name;
    });
    this.#seeChat();
  }

  #draw() {
    const { session } = this;
    this.controls.set(session.state === "active" && !session.ended && this.controlling && this.stage.isOpen);
    this.toolbar.draw();
    this.stage.placard(this.#placard());
    const strip = session.words.join(" ");
    if (this.#strip.dataset.words !== strip) {
      this.#strip.dataset.words = strip;
      const language = session.customer.language.slice(0, 2);
      fill(
        this.#strip,
        icon("shield"),
        h("span", { class: "hidden-text" }, w("console.details.words")),
        ...session.words.map((word) => h("span", { class: "word", lang: language || null }, word)),
      );
      this.#strip.title = w("console.details.words_hint");
    }
    const said = sessionState(session);
    if (said !== this.#said && this.#said) announce(`${this.name}: ${said}`);
    this.#said = said;
    this.#drawNotice();
  }

  /** A line over the screen for what is going on: a lost side, an open question, the end. */
  #drawNotice() {
    const { session } = this;
    const wanting = session.wanting.filter((id) => id !== this.me);
    let text = "";
    let action = null;
    if (session.ended) {
      text = "";
    } else if (session.state === "lost" && session.resume_until) {
      text = w("console.session.lost", { time: duration(session.resume_until - this.app.state.now()) });
    } else if (this.controlling && wanting.length > 0) {
      const name = session.members.find((member) => member.id === wanting[0])?.name ?? "";
      text = w("console.control.wanted", { name });
      action = { text: w("console.control.give_back"), press: () => this.giveBack() };
    } else {
      const asking = Object.entries(session.tools).filter(([, tool]) => tool.asking).map(([name]) => w(`console.tool.${name}`));
      if (asking.length > 0) text = w("console.session.asking", { tools: asking.join(", ") });
    }
    this.#notice.hidden = !text;
    const shape = text.replace(/[\d:]+/g, "");
    if (this.#notice.dataset.shape === shape) {
      setText(/** @type {Element} */ (this.#notice.firstElementChild ?? this.#notice), text);
      return;
    }
    this.#notice.dataset.shape = shape;
    fill(this.#notice, h("span", null, text), action && button({ text: action.text, class: "button small-button", press: action.press }));
  }

  /** What stands where the picture would be. @returns {import("./stage.js").Placard | null} */
  #placard() {
    const { session, stage } = this;
    const screen = session.tools.screen;
    const customer = this.name;
    if (session.ended) {
      const close = { text: w("console.session.close"), press: () => void this.app.call("session.leave", { session: session.id }) };
      return { icon: "end", title: w("console.session.over"), text: tell(session.ended), action: close };
    }
    if (session.screen) return { icon: "monitor", title: w("console.screen.none"), text: tell(session.screen) };
    if (stage.hasPicture) return null;
    if (session.state === "lost" || !session.customer.connected) {
      return { icon: "wifi-off", title: sessionState(session), text: w("console.screen.lost_text") };
    }
    if (session.state !== "active") return { icon: "wait", title: sessionState(session) };
    const ask = { text: w("console.screen.ask"), press: () => this.openScreen() };
    if (stage.isOpen) {
      const asked = screen?.asking || screen?.decision === "ask";
      if (asked) return { icon: "wait", title: w("console.screen.asking", { name: customer }), text: w("console.screen.asking_text") };
      return { icon: "monitor", title: w("console.screen.coming") };
    }
    if (screen?.decision === "deny") return { icon: "lock", title: w("console.screen.not_allowed"), text: tell(screen.rule) };
    if (screen?.outcome && screen.outcome !== "granted") {
      return { icon: "eye", title: w(`console.consent.${screen.outcome}`), text: w("console.screen.declined_text"), action: ask };
    }
    if (this.#refusal) return { icon: "alert", title: tell(this.#refusal), action: { ...ask, text: w("common.action.retry") } };
    return { icon: "monitor", title: w("console.screen.not_shared"), text: w("console.screen.not_shared_text"), action: ask };
  }
}
