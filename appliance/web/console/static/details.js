/** The rail's notes and details: the customer's machine, the verification words, who is there, what was agreed to. */

import { fill, h, setText } from "./dom.js";
import { absolute, duration, tell, w } from "./words.js";

/** @typedef {import("./state.js").Session} Session */

const SAVE_AFTER_MS = 800;

export class Details {
  /** @param {import("./app.js").App} app @param {string} id */
  constructor(app, id) {
    this.app = app;
    this.id = id;
    this.#text = h("textarea", {
      id: `notes-${id}`,
      maxlength: 20_000,
      oninput: () => this.#changed(),
      onblur: () => void this.#save(),
    });
    this.#saved = h("p", { class: "small muted", role: "status" });
    this.notes = h(
      "div",
      { class: "field notes" },
      h("label", { for: `notes-${id}` }, w("console.notes.label")),
      h("p", { class: "hint" }, w("console.notes.hint")),
      this.#text,
      this.#saved,
    );
    this.#time = h("dd", { class: "number" });
    this.element = h("div", { class: "stack details" });
    const session = app.state.sessions.get(id);
    if (session) this.update(session);
  }

  #text;
  #saved;
  #time;
  #timer = 0;
  #unsaved = false;
  #shows = "";
  #since = 0;

  /** @param {Session} session */
  update(session) {
    if (!this.#unsaved && document.activeElement !== this.#text && this.#text.value !== session.notes) {
      this.#text.value = session.notes;
    }
    this.#since = session.since;
    const { customer, words, members, tools } = session;
    const shows = JSON.stringify([customer, words, members, tools, session.controller, session.ended]);
    if (shows === this.#shows) return;
    this.#shows = shows;
    /** @param {string} label @param {string} value */
    const fact = (label, value) => (value ? [h("dt", null, label), h("dd", null, value)] : []);
    const language = customer.language.slice(0, 2);
    fill(
      this.element,
      h(
        "section",
        { class: "stack tight" },
        h("h2", { class: "small-heading" }, w("console.details.words")),
        h("ol", { class: "words", lang: language || null }, ...words.map((word) => h("li", null, word))),
        h("p", { class: "small muted" }, w("console.details.words_hint")),
      ),
      h(
        "section",
        { class: "stack tight" },
        h("h2", { class: "small-heading" }, w("console.details.customer")),
        h(
          "dl",
          { class: "facts" },
          ...fact(w("console.details.user"), customer.user),
          ...fact(w("console.details.host"), customer.host),
          ...fact(w("console.details.os"), customer.os),
          ...fact(w("console.details.display"), customer.display),
          ...fact(w("console.details.language"), customer.language),
          ...fact(w("console.details.address"), customer.address),
          ...fact(w("console.details.client"), customer.client),
          h("dt", null, w("console.details.since")),
          h("dd", { title: absolute(session.since) }, absolute(session.since, "clock")),
          h("dt", null, w("console.details.lasted")),
          this.#time,
        ),
      ),
      h(
        "section",
        { class: "stack tight" },
        h("h2", { class: "small-heading" }, w("console.details.people")),
        h("ul", { class: "plain" }, ...members.map((member) => h("li", null, this.#person(session, member)))),
      ),
      h(
        "section",
        { class: "stack tight" },
        h("h2", { class: "small-heading" }, w("console.details.consent")),
        h("dl", { class: "facts" }, ...Object.entries(tools).flatMap(([name, tool]) => this.#tool(name, tool))),
      ),
    );
    this.tick();
  }

  tick() {
    setText(this.#time, duration(this.app.state.now() - this.#since));
  }

  /** @param {Session} session @param {import("./state.js").Member} member */
  #person(session, member) {
    const name = member.id === this.app.state.me?.id ? w("console.session.you") : member.name;
    if (member.id === session.controller) return w("console.session.controls", { name });
    if (member.viewing) return w("console.session.watches", { name });
    return w(member.connected ? "console.session.present" : "console.session.away", { name });
  }

  /** @param {string} name @param {import("./state.js").ToolView} tool */
  #tool(name, tool) {
    let text = tell(tool.rule);
    if (tool.asking) text = w("console.consent.asking");
    else if (tool.outcome) text = w(`console.consent.${tool.outcome}`);
    return [h("dt", null, w(`console.tool.${name}`)), h("dd", { title: tell(tool.rule) }, text)];
  }

  #changed() {
    this.#unsaved = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#save(), SAVE_AFTER_MS);
  }

  async #save() {
    clearTimeout(this.#timer);
    if (!this.#unsaved) return;
    const text = this.#text.value;
    try {
      await this.app.link.call("notes.save", { session: this.id, text });
      this.#unsaved = this.#text.value !== text;
      setText(this.#saved, w("console.notes.saved"));
    } catch {
      // What was typed stays, and goes with the next try.
      setText(this.#saved, w("console.notes.unsaved"));
      this.#timer = setTimeout(() => void this.#save(), 3000);
    }
  }
}
