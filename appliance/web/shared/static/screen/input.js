/**
 * Keys and pointer as bytes of the input channel; the format is appliance/wire/input.py's. `InputSender` follows what
 * is held, so that nothing stays pressed at the customer's.
 */

const KEY = 1;
const POINTER = 2;
const BUTTON = 3;
const WHEEL = 4;
const RELEASE = 5;
const NOTCH = 120;
/** Milliseconds between signs of life. */
const ALIVE = 200;
const UNICODE = 0x01000000;

/** X11 keysyms (keysymdef.h) of keys that are no characters, by KeyboardEvent.key. @type {Record<string, number>} */
const KEYSYMS = {
  Backspace: 0xff08, Tab: 0xff09, Enter: 0xff0d, Pause: 0xff13, ScrollLock: 0xff14, Escape: 0xff1b, Compose: 0xff20,
  Home: 0xff50, ArrowLeft: 0xff51, ArrowUp: 0xff52, ArrowRight: 0xff53, ArrowDown: 0xff54, PageUp: 0xff55,
  PageDown: 0xff56, End: 0xff57, PrintScreen: 0xff61, Insert: 0xff63, Undo: 0xff65, ContextMenu: 0xff67, Help: 0xff6a,
  NumLock: 0xff7f, Delete: 0xffff, Clear: 0xff0b, AltGraph: 0xfe03, Shift: 0xffe1, Control: 0xffe3, Alt: 0xffe9,
  Meta: 0xffeb, Super: 0xffeb, Hyper: 0xffed, AudioVolumeDown: 0x1008ff11, AudioVolumeMute: 0x1008ff12,
  AudioVolumeUp: 0x1008ff13, MediaPlayPause: 0x1008ff14, MediaStop: 0x1008ff15, MediaTrackPrevious: 0x1008ff16,
  MediaTrackNext: 0x1008ff17, BrowserBack: 0x1008ff26, BrowserForward: 0x1008ff27,
};
for (let n = 1; n <= 24; n += 1) KEYSYMS[`F${n}`] = 0xffbd + n;

/** The right-hand ones. @type {Record<string, number>} */
const RIGHT = { Shift: 0xffe2, Control: 0xffe4, Alt: 0xffea, Meta: 0xffec };

/** Keys of the number pad, by KeyboardEvent.key. @type {Record<string, number>} */
const PAD = {
  Enter: 0xff8d, Home: 0xff95, ArrowLeft: 0xff96, ArrowUp: 0xff97, ArrowRight: 0xff98, ArrowDown: 0xff99, PageUp: 0xff9a,
  PageDown: 0xff9b, End: 0xff9c, Clear: 0xff9d, Insert: 0xff9e, Delete: 0xff9f, "*": 0xffaa, "+": 0xffab, ",": 0xffac,
  "-": 0xffad, ".": 0xffae, "/": 0xffaf, "=": 0xffbd,
};
for (let n = 0; n <= 9; n += 1) PAD[String(n)] = 0xffb0 + n;

/** evdev numbers of physical keys (linux/input-event-codes.h), by KeyboardEvent.code. @type {Record<string, number>} */
const CODES = {
  Escape: 1, Minus: 12, Equal: 13, Backspace: 14, Tab: 15, BracketLeft: 26, BracketRight: 27, Enter: 28, ControlLeft: 29,
  Semicolon: 39, Quote: 40, Backquote: 41, ShiftLeft: 42, Backslash: 43, Comma: 51, Period: 52, Slash: 53, ShiftRight: 54,
  NumpadMultiply: 55, AltLeft: 56, Space: 57, CapsLock: 58, NumLock: 69, ScrollLock: 70, Numpad7: 71, Numpad8: 72,
  Numpad9: 73, NumpadSubtract: 74, Numpad4: 75, Numpad5: 76, Numpad6: 77, NumpadAdd: 78, Numpad1: 79, Numpad2: 80,
  Numpad3: 81, Numpad0: 82, NumpadDecimal: 83, IntlBackslash: 86, F11: 87, F12: 88, NumpadEnter: 96, ControlRight: 97,
  NumpadDivide: 98, PrintScreen: 99, AltRight: 100, Home: 102, ArrowUp: 103, PageUp: 104, ArrowLeft: 105, ArrowRight: 106,
  End: 107, ArrowDown: 108, PageDown: 109, Insert: 110, Delete: 111, Pause: 119, MetaLeft: 125, MetaRight: 126,
  ContextMenu: 127,
};
[..."QWERTYUIOP"].forEach((letter, at) => (CODES[`Key${letter}`] = 16 + at));
[..."ASDFGHJKL"].forEach((letter, at) => (CODES[`Key${letter}`] = 30 + at));
[..."ZXCVBNM"].forEach((letter, at) => (CODES[`Key${letter}`] = 44 + at));
[..."1234567890"].forEach((digit, at) => (CODES[`Digit${digit}`] = 2 + at));
for (let n = 1; n <= 10; n += 1) CODES[`F${n}`] = 58 + n;

/** MouseEvent.button → the wire's. */
const BUTTONS = [1, 2, 3, 8, 9];

/** The keysym of one character. @param {string} character */
export function keysymOf(character) {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\n" || character === "\r") return KEYSYMS.Enter;
  if (character === "\t") return KEYSYMS.Tab;
  return (code >= 0x20 && code <= 0x7e) || (code >= 0xa0 && code <= 0xff) ? code : UNICODE | code;
}

/**
 * The keysym of a key press; 0 for one that sends nothing (a dead key, an input method at work, Caps Lock, which the
 * browser has applied already).
 * @param {Pick<KeyboardEvent, "key" | "code" | "location">} event
 */
export function keysymOfEvent({ key, code, location }) {
  if (location === 3 && key in PAD) return PAD[key];
  if (location === 2 && key in RIGHT) return RIGHT[key];
  if (key in KEYSYMS) return KEYSYMS[key];
  // Chromium on Linux calls the right Alt key of a layout with AltGr so.
  if (key === "ISO_Level3_Shift" || (key === "Alt" && code === "AltRight")) return KEYSYMS.AltGraph;
  return [...key].length === 1 ? keysymOf(key) : 0;
}

/** Sends what a person does to the remote desktop. */
export class InputSender {
  /**
   * @param {(message: Uint8Array) => boolean | void} send puts a message on the input channel at once, or drops it:
   *   it must never keep one for later
   */
  constructor(send) {
    this.send = send;
    /** @type {Map<string, number>} physical key → the keysym it went down as */
    this.held = new Map();
    /** @type {Set<number>} mouse buttons that are down */
    this.buttons = new Set();
    this.controlAt = -1;
    /** @type {ReturnType<typeof setInterval> | undefined} says that we are still there while anything is held */
    this.alive = undefined;
  }

  /**
   * A key went down. @param {KeyboardEvent} event
   * @returns {boolean} whether it was sent, so that the caller prevents its default
   */
  keyDown(event) {
    if (event.isComposing || event.keyCode === 229) return false;
    const keysym = keysymOfEvent(event);
    if (keysym === 0) return false;
    // Windows presses a Control key of its own before AltGr.
    if (keysym === KEYSYMS.AltGraph && this.held.has("ControlLeft") && event.timeStamp - this.controlAt < 20) {
      this.up("ControlLeft");
    }
    if (event.code === "ControlLeft") this.controlAt = event.timeStamp;
    this.down(event.code || event.key, keysym, CODES[event.code] ?? 0, event.repeat);
    return true;
  }

  /** A key went up. @param {KeyboardEvent} event @returns {boolean} whether it was known */
  keyUp(event) {
    const known = this.up(event.code || event.key);
    // macOS sends no key-up for what was pressed together with Command.
    if (event.key === "Meta") this.releaseAll();
    return known;
  }

  /** Text that an input method composed, or that is typed for the person. @param {string} text */
  type(text) {
    for (const character of text.replaceAll("\r\n", "\n")) this.tap([keysymOf(character)]);
  }

  /** A combination such as Ctrl+Alt+Del: pressed in order, released in reverse. @param {number[]} keysyms */
  tap(keysyms) {
    const size = keysyms.length * 8;
    this.message(size * 2, (view, at) => {
      keysyms.forEach((keysym, index) => putKey(view, at + index * 8, keysym, 1, 0));
      [...keysyms].reverse().forEach((keysym, index) => putKey(view, at + size + index * 8, keysym, 0, 0));
    });
  }

  /** The pointer's place, in pixels of the remote desktop. @param {number} x @param {number} y */
  pointer(x, y) {
    this.message(5, (view, at) => {
      view.setUint8(at, POINTER);
      view.setUint16(at + 1, Math.max(0, Math.min(0xffff, Math.round(x))));
      view.setUint16(at + 3, Math.max(0, Math.min(0xffff, Math.round(y))));
    });
  }

  /** @param {number} button MouseEvent.button @param {boolean} down */
  button(button, down) {
    const number = BUTTONS[button];
    if (number === undefined) return;
    if (down) this.buttons.add(number);
    else this.buttons.delete(number);
    this.keepAlive();
    this.message(3, (view, at) => {
      view.setUint8(at, BUTTON);
      view.setUint8(at + 1, number);
      view.setUint8(at + 2, down ? 1 : 0);
    });
  }

  /** @param {Pick<WheelEvent, "deltaX" | "deltaY" | "deltaMode">} event */
  wheel({ deltaX, deltaY, deltaMode }) {
    // A notch is 100 or so pixels, three lines, or a page.
    const scale = NOTCH / ([100, 3, 1][deltaMode] ?? 100);
    const clamp = (/** @type {number} */ value) => Math.max(-32768, Math.min(32767, Math.round(value * scale)));
    this.message(5, (view, at) => {
      view.setUint8(at, WHEEL);
      view.setInt16(at + 1, clamp(deltaX));
      view.setInt16(at + 3, clamp(deltaY));
    });
  }

  /** Let go of everything: the page lost the focus, control was given back. */
  releaseAll() {
    this.held.clear();
    this.buttons.clear();
    this.keepAlive();
    this.message(1, (view, at) => view.setUint8(at, RELEASE));
  }

  /** @param {string} key @param {number} keysym @param {number} code @param {boolean} repeat */
  down(key, keysym, code, repeat) {
    const before = this.held.get(key);
    if (before !== undefined && before !== keysym) this.up(key);
    this.held.set(key, keysym);
    this.keepAlive();
    this.message(8, (view, at) => putKey(view, at, keysym, repeat ? 3 : 1, code));
  }

  /** @param {string} key */
  up(key) {
    const keysym = this.held.get(key);
    if (keysym === undefined) return false;
    this.held.delete(key);
    this.keepAlive();
    this.message(8, (view, at) => putKey(view, at, keysym, 0, CODES[key] ?? 0));
    return true;
  }

  /** Start or stop the signs of life: the client releases what is held when they stay away. */
  keepAlive() {
    const needed = this.held.size > 0 || this.buttons.size > 0;
    if (needed && this.alive === undefined) this.alive = setInterval(() => this.message(0, () => {}), ALIVE);
    if (!needed && this.alive !== undefined) {
      clearInterval(this.alive);
      this.alive = undefined;
    }
  }

  /** @param {number} size @param {(view: DataView, at: number) => void} fill */
  message(size, fill) {
    const out = new Uint8Array(8 + size);
    const view = new DataView(out.buffer);
    view.setUint32(4, performance.now() >>> 0);
    fill(view, 8);
    this.send(out);
  }
}

/** @param {DataView} view @param {number} at @param {number} keysym @param {number} flags @param {number} code */
function putKey(view, at, keysym, flags, code) {
  view.setUint8(at, KEY);
  view.setUint8(at + 1, flags);
  view.setUint32(at + 2, keysym);
  view.setUint16(at + 6, code);
}
