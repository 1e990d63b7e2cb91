/**
 * A session's chat. Exactly once: a message stays in the outbox (sessionStorage, so that it survives a reload) until
 * the appliance has committed it, and is sent again after each reconnect; its id makes it arrive once.
 */

import { button, h, icon, setText } from "./dom.js";
import { absolute, w } from "./words.js";
import { messages } from "./wire.js";

const TYPING_MS = 3000;
const TYPING_GOOD_MS = 5000;
const MAX_TEXT = 8000;
const LINK = /\bhttps?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/g;

/** @typedef {{ seq: number, id: string, sender: string, name: string, text: string, at: number }} ChatMessage */

/** A text with its links made safe to follow; nothing in it becomes markup. @param {string} text @returns {(Node | string)[]} */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(end, match.index));
    parts.push(h("a", { href: match[0], target: "_blank", rel: "noopener noreferrer nofollow" }, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

/** One message as it stands in the list. @param {ChatMessage} message @param {boolean} own */
export function bubble({ name, text, at }, own) {
  return h(
    "li",
    { class: own ? "bubble own" : "bubble" },
    h(
      "div",
      { class: "bubble-head" },
      h("span", { class: "bubble-name" }, own ? w("console.chat.you") : name || w("console.chat.customer")),
      h("time", { datetime: new Date(at * 1000).toISOString(), title: absolute(at) }, absolute(at, "clock")),
    ),
    h("p", null, ...linked(text)),
  );
}

/** @returns {string} an id for a message of one's own */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(15));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

export class Chat {
  /**
   * @param {import("./wire.js").Link} link @param {string} session @param {() => string} me this technician's id
   * @param {(message: ChatMessage) => void} received somebody else's message, also of the history
   */
  constructor(link, session, me, received) {
    this.session = session;
    this.me = me;
    this.received = received;
    this.#outbox = JSON.parse(sessionStorage.getItem(this.#storage) ?? "[]");
    this.#list = h("ol", { class: "bubbles" });
    this.#empty = h(
      "div",
      { class: "chat-empty" },
      icon("chat"),
      h("p", null, w("console.chat.empty")),
    );
    this.#typing = h("p", { class: "typing", role: "status" });
    this.input = h("textarea", {
      rows: "1",
      maxlength: MAX_TEXT,
      "aria-label": w("console.chat.label"),
      placeholder: w("console.chat.placeholder"),
      oninput: () => this.#typed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          this.#submit();
        }
      },
    });
    this.#submitButton = button({
      icon: "send",
      label: w("console.chat.send"),
      class: "button primary square",
      press: () => this.#submit(),
    });
    this.element = h(
      "div",
      { class: "chat" },
      h(
        "div",
        { class: "chat-scroll", role: "log", "aria-label": w("console.chat.messages"), tabindex: "0" },
        this.#empty,
        this.#list,
      ),
      this.#typing,
      h("div", { class: "chat-write" }, this.input, this.#submitButton),
    );
    for (const message of this.#outbox) this.#showPending(message);
    this.#channel = link.channel("chat", session, {
      frame: messages((message) => this.#take(message)),
      after: () => this.#last,
      opened: () => {
        for (const message of this.#outbox) this.#post(message);
      },
    });
  }

  /** @type {{ id: string, text: string }[]} */
  #outbox = [];
  /** The highest number that is here. */
  #last = 0;
  /** The highest number that was seen. */
  #seen = 0;
  #lastTyping = 0;
  #typingTimer = 0;
  #visible = false;
  /** @type {Map<string, HTMLElement>} */
  #pending = new Map();
  /** @type {Set<string>} */
  #here = new Set();
  #list;
  #empty;
  #typing;
  #submitButton;
  #channel;

  get #storage() {
    return `beistand.outbox.${this.session}`;
  }

  /** Whether the chat can be seen right now; what is seen is not unread. @param {boolean} visible */
  show(visible) {
    this.#visible = visible;
    if (visible) {
      this.#scrollToEnd();
      this.#markSeen();
    }
  }

  /** A session that is over takes no more messages. */
  freeze() {
    this.input.disabled = true;
    this.#submitButton.disabled = true;
  }

  close() {
    this.#channel.close();
    if (this.#outbox.length === 0) sessionStorage.removeItem(this.#storage);
  }

  /** @param {any} message */
  #take(message) {
    if (message.t === "chat.message") this.#arrived(message);
    else if (message.t === "chat.stored") this.#stored(message.id);
    else if (message.t === "chat.typing" && message.sender !== this.me()) this.#showTyping(message.name);
  }

  /** @param {ChatMessage} message */
  #arrived(message) {
    this.#last = Math.max(this.#last, message.seq);
    if (this.#here.has(message.id)) return;
    this.#here.add(message.id);
    const own = message.sender === this.me();
    const element = bubble(message, own);
    const waiting = this.#pending.get(message.id);
    if (waiting) {
      waiting.replaceWith(element);
      this.#stored(message.id);
    } else {
      // What is on its way stays below what has arrived.
      this.#list.insertBefore(element, this.#pending.values().next().value ?? null);
    }
    this.#empty.hidden = true;
    if (!own) {
      setText(this.#typing, "");
      this.received(message);
      if (this.#visible && !document.hidden) this.#markSeen();
    }
    this.#scrollToEnd();
  }

  /** @param {string} id */
  #stored(id) {
    this.#outbox = this.#outbox.filter((message) => message.id !== id);
    this.#save();
    this.#pending.get(id)?.classList.remove("pending");
    this.#pending.delete(id);
    this.#here.add(id);
  }

  #submit() {
    const text = this.input.value.trim();
    if (!text || this.input.disabled) return;
    const message = { id: newId(), text };
    this.#outbox.push(message);
    this.#save();
    this.#showPending(message);
    this.#post(message);
    this.input.value = "";
    this.#grow();
    this.#lastTyping = 0;
  }

  /** @param {{ id: string, text: string }} message */
  #post(message) {
    this.#channel.sendMessage({ t: "chat.send", ...message });
  }

  /** @param {{ id: string, text: string }} message */
  #showPending({ id, text }) {
    const element = bubble({ seq: 0, id, sender: "", name: "", text, at: Date.now() / 1000 }, true);
    element.classList.add("pending");
    this.#pending.set(id, element);
    this.#list.append(element);
    this.#empty.hidden = true;
    this.#scrollToEnd();
  }

  #save() {
    sessionStorage.setItem(this.#storage, JSON.stringify(this.#outbox));
  }

  #typed() {
    this.#grow();
    const now = performance.now();
    if (this.input.value && now - this.#lastTyping > TYPING_MS) {
      this.#lastTyping = now;
      this.#channel.sendMessage({ t: "chat.typing" });
    }
  }

  #grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight + 2, 140)}px`;
  }

  /** @param {string} name */
  #showTyping(name) {
    setText(this.#typing, w("console.chat.typing", { name: name || w("console.chat.customer") }));
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => setText(this.#typing, ""), TYPING_GOOD_MS);
  }

  #markSeen() {
    if (this.#last <= this.#seen) return;
    this.#seen = this.#last;
    this.#channel.sendMessage({ t: "chat.seen", seq: this.#last });
  }

  #scrollToEnd() {
    const scroll = /** @type {HTMLElement} */ (this.#list.parentElement);
    scroll.scrollTop = scroll.scrollHeight;
  }
}
