/**
 * A person's keys, pointer and clipboard, while they control a remote screen.
 *
 * Keys go to a text area over the picture, so that input methods and phones' keyboards work: what is a key press is
 * sent as one, what an input method composed is sent as text. Whenever the page cannot know any longer what is held
 * (focus lost, tab hidden), everything is released.
 */

import { InputSender, keysymOf } from "@shared/screen/input.js";
import { messages } from "./wire.js";

const CONTROL = 0xffe3;
const LONG_PRESS_MS = 500;
const TAP_DISTANCE = 10;
const TYPED_AT_ONCE = 40;
const TYPE_PAUSE_MS = 30;
/** What a new clipboard is given to arrive before the key press that pastes it. */
const PASTE_HEAD_START_MS = 100;
const MAX_CLIPBOARD = 900_000;

/** Combinations that a browser or the local system keeps for itself. @type {[string, number[]][]} */
export const COMBINATIONS = [
  ["Ctrl+Alt+Del", [0xffe3, 0xffe9, 0xffff]],
  ["Super", [0xffeb]],
  ["Alt+Tab", [0xffe9, 0xff09]],
  ["Alt+F4", [0xffe9, 0xffc1]],
  ["Ctrl+W", [0xffe3, 0x77]],
  ["Ctrl+T", [0xffe3, 0x74]],
  ["Ctrl+N", [0xffe3, 0x6e]],
  ["F5", [0xffc2]],
  ["F11", [0xffc8]],
  ["Esc", [0xff1b]],
  ["Print", [0xff61]],
  ["Ctrl+Alt+T", [0xffe3, 0xffe9, 0x74]],
];

/** Input of one session: from the stage's events to the input channel. */
export class Controls {
  /** Whether what a person does goes to the remote desktop. */
  active = false;

  /**
   * @param {import("./wire.js").Link} link @param {string} session @param {import("./stage.js").Stage} stage
   * @param {Clipboard} clipboard
   * @param {() => void} leave the keyboard is to come back to the page
   */
  constructor(link, session, stage, clipboard, leave) {
    this.link = link;
    this.session = session;
    this.stage = stage;
    this.clipboard = clipboard;
    this.leave = leave;
    // A picture that is old shows nothing of what one does: nothing is sent, and nothing kept for later.
    this.sender = new InputSender((message) => this.#channel !== null && !stage.old && this.#channel.send(message));
    this.#listen();
  }

  /** @type {import("./wire.js").Channel | null} */
  #channel = null;
  /** Keys of the chord that gives the keyboard back to the page. @type {Set<string>} */
  #chord = new Set();
  #chordOnly = true;
  /** @type {Map<number, { x: number, y: number }>} */
  #touches = new Map();
  #longPress = 0;
  #touchScrolls = false;

  /** Begin or stop controlling. @param {boolean} on */
  set(on) {
    if (on === this.active) return;
    this.active = on;
    if (on) {
      const channel = this.link.channel("input", this.session, {
        frame: () => undefined,
        // Only now does a key press arrive; to have the keyboard earlier would lose the first ones.
        opened: () => {
          this.stage.control(true);
          this.focus();
        },
        // The message is dropped; what is released is what this side believes to be held.
        lost: () => this.sender.releaseAll(),
        closed: () => {
          // Why is in the session's state, which follows.
          if (this.#channel !== channel) return;
          this.#channel = null;
          this.active = false;
          this.stage.control(false);
        },
      });
      this.#channel = channel;
    } else {
      this.sender.releaseAll();
      this.#channel?.close();
      this.#channel = null;
      this.stage.control(false);
    }
  }

  focus() {
    this.stage.keys.focus({ preventScroll: true });
  }

  /** Press a combination. @param {number[]} keysyms */
  press(keysyms) {
    this.sender.tap(keysyms);
    this.focus();
  }

  /** Type a text as key presses, at a pace that the other side keeps. @param {string} text */
  async type(text) {
    const characters = [...text.replaceAll("\r\n", "\n")];
    for (let at = 0; at < characters.length && this.active; at += TYPED_AT_ONCE) {
      this.sender.type(characters.slice(at, at + TYPED_AT_ONCE).join(""));
      await new Promise((resolve) => setTimeout(resolve, TYPE_PAUSE_MS));
    }
    this.focus();
  }

  // -- inside ----------------------------------------------------------------------------------------------------

  #listen() {
    const { desktop, keys } = this.stage;
    desktop.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    desktop.addEventListener("pointermove", (event) => this.#pointerMove(event));
    desktop.addEventListener("pointerup", (event) => this.#pointerUp(event));
    desktop.addEventListener("pointercancel", (event) => this.#pointerUp(event));
    desktop.addEventListener("contextmenu", (event) => this.active && event.preventDefault());
    desktop.addEventListener(
      "wheel",
      (event) => {
        if (!this.active) return;
        event.preventDefault();
        this.sender.wheel(event);
      },
      { passive: false },
    );
    keys.addEventListener("keydown", (event) => this.#keyDown(event));
    keys.addEventListener("keyup", (event) => this.#keyUp(event));
    keys.addEventListener("input", (event) => {
      if (!(/** @type {InputEvent} */ (event).isComposing)) this.#composed();
    });
    keys.addEventListener("compositionend", () => this.#composed());
    keys.addEventListener("paste", (event) => this.#paste(event));
    keys.addEventListener("blur", () => this.#release());
    addEventListener("blur", () => this.#release());
    document.addEventListener("visibilitychange", () => document.hidden && this.#release());
  }

  #release() {
    this.#chord.clear();
    this.#touches.clear();
    clearTimeout(this.#longPress);
    if (this.active) this.sender.releaseAll();
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    event.stopPropagation();
    if (!this.active) return;
    this.#noteChord(event);
    // The paste event brings the text without asking for a permission; it presses the keys itself.
    const pastes = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "v";
    if (pastes && this.clipboard.isOpen) return;
    if (this.sender.keyDown(event)) event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    event.stopPropagation();
    if (!this.active) return;
    if (this.sender.keyUp(event)) event.preventDefault();
    const leaves = this.#chord.size === 3 && this.#chordOnly;
    if (leaves || !(event.ctrlKey || event.altKey || event.shiftKey)) {
      this.#chord.clear();
      this.#chordOnly = true;
    }
    if (leaves) {
      this.sender.releaseAll();
      this.leave();
    }
  }

  /** @param {KeyboardEvent} event */
  #noteChord({ key }) {
    if (["Control", "Alt", "Shift"].includes(key)) this.#chord.add(key);
    else this.#chordOnly = false;
  }

  #composed() {
    const { keys } = this.stage;
    const text = keys.value;
    keys.value = "";
    if (this.active && text) this.sender.type(text);
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    event.preventDefault();
    if (!this.active) return;
    const sent = this.clipboard.send(event.clipboardData?.getData("text/plain") ?? "");
    setTimeout(() => this.#pressPaste(), sent ? PASTE_HEAD_START_MS : 0);
  }

  #pressPaste() {
    this.sender.tap([CONTROL, keysymOf("v")]);
    // The person may hold Control for the next combination; the tap has let go of it.
    if (this.sender.held.has("ControlLeft")) this.sender.down("ControlLeft", CONTROL, 29, false);
  }

  /** @param {PointerEvent} event */
  #pointerDown(event) {
    if (!this.active) return;
    event.preventDefault();
    this.focus();
    this.stage.desktop.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") return this.#touchDown(event);
    this.#moveTo(event);
    return this.sender.button(event.button, true);
  }

  /** @param {PointerEvent} event */
  #pointerMove(event) {
    if (!this.active) return;
    if (event.pointerType === "touch") return this.#touchMove(event);
    // Buttons that are pressed while others are held come as moves.
    if (event.button >= 0) this.sender.button(event.button, (event.buttons & BUTTON_BITS[event.button]) !== 0);
    return this.#moveTo(event);
  }

  /** @param {PointerEvent} event */
  #pointerUp(event) {
    if (!this.active) return;
    if (event.pointerType === "touch") return this.#touchUp(event);
    this.#moveTo(event);
    return this.sender.button(Math.max(0, event.button), false);
  }

  /** @param {{ clientX: number, clientY: number }} event */
  #moveTo(event) {
    const { x, y } = this.stage.place(event);
    this.sender.pointer(x, y);
  }

  /** A tap clicks, a long press clicks right, a finger drags, two fingers turn the wheel. @param {PointerEvent} event */
  #touchDown(event) {
    this.#touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
    clearTimeout(this.#longPress);
    this.#touchScrolls = this.#touches.size > 1;
    if (this.#touchScrolls) return;
    this.#moveTo(event);
    this.#longPress = setTimeout(() => {
      this.#touches.delete(event.pointerId);
      this.sender.button(2, true);
      this.sender.button(2, false);
    }, LONG_PRESS_MS);
  }

  /** @param {PointerEvent} event */
  #touchMove(event) {
    const from = this.#touches.get(event.pointerId);
    if (!from) return;
    const dx = event.clientX - from.x;
    const dy = event.clientY - from.y;
    if (this.#touchScrolls) {
      this.sender.wheel({ deltaX: -dx / 2, deltaY: -dy / 2, deltaMode: 0 });
      this.#touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
    } else if (this.#longPress && Math.hypot(dx, dy) > TAP_DISTANCE) {
      clearTimeout(this.#longPress);
      this.#longPress = 0;
      this.sender.button(0, true);
      this.#moveTo(event);
    } else if (!this.#longPress) {
      this.#moveTo(event);
    }
  }

  /** @param {PointerEvent} event */
  #touchUp(event) {
    if (!this.#touches.delete(event.pointerId) || this.#touchScrolls) return;
    if (this.#longPress) this.sender.button(0, true);
    clearTimeout(this.#longPress);
    this.#longPress = 0;
    this.sender.button(0, false);
  }
}

/** MouseEvent.buttons bits by MouseEvent.button. */
const BUTTON_BITS = [1, 4, 2, 8, 16];

/** The clipboard's text, both ways, while the customer and the permissions allow it. */
export class Clipboard {
  /** The customer's last text. */
  remote = "";

  /**
   * @param {import("./wire.js").Link} link @param {string} session
   * @param {(written: boolean) => void} received a text of the customer's came; whether it is in this clipboard already
   */
  constructor(link, session, received) {
    this.link = link;
    this.session = session;
    this.received = received;
    addEventListener("focus", () => void this.#focused());
  }

  /** @type {import("./wire.js").Channel | null} */
  #channel = null;
  #last = "";
  #unwritten = false;

  get isOpen() {
    return this.#channel?.isOpen ?? false;
  }

  /** @param {boolean} on */
  set(on) {
    if (on === (this.#channel !== null)) return;
    if (!on) {
      this.#channel?.close();
      this.#channel = null;
      return;
    }
    const channel = this.link.channel("clipboard", this.session, {
      frame: messages((message) => void (message.t === "clipboard.text" && this.#arrived(message.text))),
      closed: () => {
        if (this.#channel === channel) this.#channel = null;
      },
    });
    this.#channel = channel;
  }

  /** Give the customer a text; what they have already is not sent again. @param {string} text @returns {boolean} whether it was sent */
  send(text) {
    if (!text || text === this.#last || text.length > MAX_CLIPBOARD || !this.#channel) return false;
    this.#last = text;
    return this.#channel.sendMessage({ t: "clipboard.text", text });
  }

  /** The text of this machine's clipboard; throws when the browser does not give it. @returns {Promise<string>} */
  async read() {
    return navigator.clipboard.readText();
  }

  /** @param {string} text */
  async #arrived(text) {
    this.remote = text;
    this.#last = text;
    this.#unwritten = true;
    await this.#write();
  }

  async #write() {
    if (document.hasFocus()) {
      try {
        await navigator.clipboard.writeText(this.remote);
        this.#unwritten = false;
      } catch {
        // Without a permission the menu offers it.
      }
    }
    this.received(!this.#unwritten);
  }

  /** Back in this window: what was copied elsewhere goes to the customer, if the browser may read it unasked. */
  async #focused() {
    if (!this.isOpen) return;
    if (this.#unwritten) return this.#write();
    const name = /** @type {PermissionName} */ ("clipboard-read");
    const permission = await navigator.permissions?.query({ name }).catch(() => null);
    if (permission?.state === "granted") this.send(await this.read().catch(() => ""));
    return undefined;
  }
}
