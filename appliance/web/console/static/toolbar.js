/** The slim row over a session's screen: who, what is allowed, and everything that can be done with the screen. */

import { COMBINATIONS } from "./controls.js";
import { button, fill, h, icon, menu, setText, toast } from "./dom.js";
import { sessionState } from "./side.js";
import { tell, w } from "./words.js";

/** @typedef {import("./session.js").SessionView} SessionView */

const REASONS = ["solved", "unsolved", "cancelled"];

export class Toolbar {
  /** @param {SessionView} view */
  constructor(view) {
    this.view = view;
    this.#name = h("h1", { class: "session-name" });
    this.#state = h("span", { class: "tag warn" });
    this.#recording = h("span", { class: "tag danger recording" }, icon("record"), h("span", null, w("console.session.recording")));
    this.#people = h("ul", { class: "people", "aria-label": w("console.session.people") });
    this.#control = button({ icon: "pointer", text: w("console.control.request"), class: "tool main", press: () => this.#pressControl() });
    this.#watch = button({ icon: "eye", label: w("console.screen.stop"), class: "tool", press: () => this.#pressWatch() });
    this.#monitors = h("div", { class: "menu-list" });
    this.#monitorMenu = menu({ icon: "monitor", label: w("console.screen.monitors") }, this.#monitors);
    this.#fit = button({ icon: "fit", label: w("console.screen.fit"), class: "tool", press: () => this.#pressFit() });
    this.#full = button({ icon: "fullscreen", label: w("console.screen.full"), class: "tool", press: () => void view.fullscreen() });
    this.#keys = menu(
      { icon: "keyboard", label: w("console.keys.label") },
      h("p", { class: "menu-hint" }, w("console.keys.hint")),
      h(
        "div",
        { class: "menu-list two" },
        ...COMBINATIONS.map(([name, keysyms]) =>
          button({ text: name, class: "menu-item", press: () => view.controls.press(keysyms) }),
        ),
      ),
      h("hr"),
      button({ icon: "clipboard", text: w("console.keys.type_clipboard"), class: "menu-item", press: () => void this.#typeClipboard() }),
    );
    this.#clipboard = h("div", { class: "menu-list" });
    this.#clipboardMenu = menu({ icon: "clipboard", label: w("console.clipboard.label") }, this.#clipboard);
    this.#fold = button({ icon: "chat", label: w("console.rail.fold"), class: "tool wide-only", press: () => view.fold() });
    this.#pane = button({ icon: "monitor", text: w("console.rail.screen"), class: "tool narrow-only", press: () => this.#pressPane() });
    this.#end = menu(
      { icon: "end", text: w("console.session.end"), label: w("console.session.end"), class: "tool danger" },
      h("p", { class: "menu-hint" }, w("console.session.end_hint")),
      h(
        "div",
        { class: "menu-list" },
        ...REASONS.map((reason) =>
          button({
            text: w(`console.reason.${reason}`),
            class: "menu-item",
            press: () => void view.app.call("session.end", { session: view.session.id, reason }),
          }),
        ),
      ),
    );
    this.#leave = button({
      icon: "sign-out",
      text: w("console.session.leave"),
      class: "tool",
      press: () => void view.app.call("session.leave", { session: view.session.id }),
    });
    const back = h("a", { class: "tool narrow-only", href: "#", title: w("console.session.back") }, icon("arrow-left", w("console.session.back")));
    this.#screenTools = h(
      "div",
      { class: "tool-group" },
      this.#control,
      this.#watch,
      this.#monitorMenu,
      this.#fit,
      this.#full,
      this.#keys,
      this.#clipboardMenu,
      view.delay.element,
    );
    this.element = h(
      "div",
      { class: "tools", role: "group", "aria-label": w("console.session.tools") },
      h("div", { class: "tool-head" }, back, this.#name, this.#state, this.#recording, this.#people),
      this.#screenTools,
      h("div", { class: "tool-group last" }, this.#pane, this.#fold, this.#leave, this.#end),
    );
  }

  #name;
  #state;
  #recording;
  #people;
  #control;
  #watch;
  #monitors;
  #monitorMenu;
  #fit;
  #full;
  #keys;
  #clipboard;
  #clipboardMenu;
  #fold;
  #pane;
  #end;
  #leave;
  #screenTools;

  /** Put the keyboard here. */
  focus() {
    this.#control.focus();
  }

  draw() {
    const { view } = this;
    const { session, stage } = view;
    const over = session.ended !== null && session.ended !== undefined;
    const owner = session.role === "owner";
    setText(this.#name, view.name);
    this.#name.title = view.name;
    setText(this.#state, sessionState(session));
    this.#state.hidden = session.state === "active" || over;
    this.#recording.hidden = !session.recording || over;
    this.#drawPeople();
    this.#drawControl();
    this.#screenTools.hidden = over;
    this.#watch.hidden = !stage.isOpen;
    this.#fit.hidden = this.#full.hidden = !stage.hasPicture;
    this.#fit.setAttribute("aria-pressed", String(stage.fitted));
    this.#keys.hidden = !view.controls.active;
    view.delay.element.hidden = !stage.hasPicture;
    this.#drawMonitors();
    this.#drawClipboard();
    this.#end.hidden = !owner || over;
    this.#leave.hidden = owner || over;
    this.#fold.setAttribute("aria-pressed", String(!view.folded));
    const shown = view.element?.dataset.pane === "screen";
    setText(/** @type {Element} */ (this.#pane.lastElementChild), w(shown ? "console.rail.chat" : "console.rail.screen"));
  }

  // -- inside ----------------------------------------------------------------------------------------------------

  /** Who controls and who only watches: the same words and colours as the customer sees. */
  #drawPeople() {
    const { session, me } = this.view;
    const named = (/** @type {import("./state.js").Member[]} */ members) =>
      members.map(({ id, name }) => (id === me ? w("console.session.you") : name)).join(", ");
    const controls = named(session.members.filter(({ id }) => id === session.controller));
    const watches = named(session.members.filter(({ id, viewing }) => viewing && id !== session.controller));
    const shows = JSON.stringify([controls, watches]);
    if (this.#people.dataset.shows === shows) return;
    this.#people.dataset.shows = shows;
    const tag = (/** @type {string} */ kind, /** @type {string} */ name, /** @type {string} */ text) =>
      h("li", { class: `tag ${kind}`, title: text }, icon(name), h("span", null, text));
    fill(
      this.#people,
      controls && tag("controlling", "pointer", w("console.session.controls", { name: controls })),
      watches && tag("watching", "eye", w("console.session.watches", { name: watches })),
    );
  }

  #drawControl() {
    const { view } = this;
    const { session } = view;
    const tool = session.tools.control;
    const wanted = session.wanting.includes(view.me);
    const taken = session.controller !== null && !view.controlling;
    let text = w("console.control.request");
    if (view.controlling) text = w("console.control.give_back");
    else if (tool?.asking || wanted) text = w("console.control.asking");
    else if (taken) text = w("console.control.take");
    setText(/** @type {Element} */ (this.#control.lastElementChild), text);
    this.#control.classList.toggle("on", view.controlling);
    const refused = tool?.decision === "deny";
    // It stays focusable, so that its title can say why it cannot be pressed.
    this.#control.setAttribute("aria-disabled", String(refused || Boolean(tool?.asking) || session.state !== "active"));
    this.#control.title = refused ? tell(tool.rule) : w("console.control.hint");
    this.#control.hidden = session.role !== "owner" && refused;
  }

  #pressControl() {
    const { view } = this;
    if (this.#control.getAttribute("aria-disabled") === "true") return;
    if (view.controlling) view.giveBack();
    else if (view.session.controller) void view.app.call("control.take", { session: view.session.id });
    else void view.requestControl();
    if (!view.stage.isOpen) view.openScreen();
  }

  #pressWatch() {
    this.view.stage.close();
    this.view.update(this.view.session);
  }

  #pressFit() {
    this.view.stage.fitted = !this.view.stage.fitted;
    this.view.stage.layOut();
    this.draw();
  }

  #pressPane() {
    this.view.pane(this.view.element.dataset.pane === "screen" ? "rail" : "screen");
  }

  async #typeClipboard() {
    const { clipboard, controls } = this.view;
    try {
      await controls.type(await clipboard.read());
    } catch {
      toast(w("console.clipboard.unreadable"), "error");
    }
  }

  #drawMonitors() {
    const { stage } = this.view;
    this.#monitorMenu.hidden = stage.monitors.length < 2 || !stage.hasPicture;
    const names = [w("console.screen.all_monitors"), ...stage.monitors.map(({ name, width, height }) => `${name} (${width} × ${height})`)];
    const shows = JSON.stringify([names, stage.monitor]);
    if (this.#monitors.dataset.shows === shows) return;
    this.#monitors.dataset.shows = shows;
    fill(
      this.#monitors,
      ...names.map((name, index) =>
        button({
          text: name,
          class: "menu-item",
          "aria-pressed": String(stage.monitor === index - 1),
          press: () => {
            stage.monitor = index - 1;
            stage.layOut();
            this.draw();
            if (this.view.controlling) this.view.controls.focus();
          },
        }),
      ),
    );
  }

  #drawClipboard() {
    const { view } = this;
    const tool = view.session.tools.clipboard;
    this.#clipboardMenu.hidden = !view.stage.hasPicture;
    const open = tool?.decision === "allow";
    const shows = `${tool?.decision} ${tool?.asking} ${open && Boolean(view.clipboard.remote)}`;
    if (this.#clipboard.dataset.shows === shows) return;
    this.#clipboard.dataset.shows = shows;
    if (open) {
      fill(
        this.#clipboard,
        h("p", { class: "menu-hint" }, w("console.clipboard.hint")),
        button({ text: w("console.clipboard.send"), class: "menu-item", press: () => void this.#sendClipboard() }),
        button({ text: w("console.clipboard.copy"), class: "menu-item", press: () => void this.#copyRemote() }),
      );
    } else if (tool?.decision === "ask") {
      fill(
        this.#clipboard,
        h("p", { class: "menu-hint" }, w(tool.asking ? "console.clipboard.asking" : "console.clipboard.ask_hint")),
        !tool.asking &&
          button({
            text: w("console.clipboard.ask"),
            class: "menu-item",
            press: () => void view.app.call("session.request", { session: view.session.id, tools: ["clipboard"] }),
          }),
      );
    } else {
      fill(this.#clipboard, h("p", { class: "menu-hint" }, tool ? tell(tool.rule) : ""));
    }
  }

  async #sendClipboard() {
    try {
      this.view.clipboard.send(await this.view.clipboard.read());
      toast(w("console.clipboard.sent"));
    } catch {
      toast(w("console.clipboard.unreadable"), "error");
    }
    this.view.controls.focus();
  }

  async #copyRemote() {
    const text = this.view.clipboard.remote;
    if (!text) return toast(w("console.clipboard.nothing"));
    await navigator.clipboard.writeText(text);
    return toast(w("console.clipboard.received"));
  }
}
