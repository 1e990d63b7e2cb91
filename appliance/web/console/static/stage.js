/**
 * The remote screen: a canvas painted by the shared worker, shown fitted or 1:1, one monitor or all, and marked as old
 * within a second when the way to it is lost.
 */

import { button, fill, h, icon, setText } from "./dom.js";
import { w } from "./words.js";

/** @typedef {{ name: string, x: number, y: number, width: number, height: number, primary: boolean }} Monitor */
/** @typedef {{ x: number, y: number, width: number, height: number }} Rectangle */

const OLD_AFTER_MS = 1000;

/** What stands where the picture would be: a title, a text, and perhaps something to do. */
/** @typedef {{ icon: string, title: string, text?: string, action?: { text: string, press: () => void } }} Placard */

export class Stage {
  /** Why the picture is old; "" while it is not. */
  old = "";
  /** @type {Monitor[]} */
  monitors = [];
  /** The monitor that is shown; -1: all of them. */
  monitor = -1;
  fitted = true;
  /** CSS pixels for one of the desktop. */
  scale = 1;
  /** Quarters of the full rate that the client sends, and the delay that decided it. */
  rate = { quarters: 4, delay: 0 };
  /** Milliseconds from a message's arrival to its painting, averaged. */
  decode = 0;

  /**
   * @param {import("./wire.js").Link} link @param {string} session
   * @param {{ changed: () => void, closed: (refusal: any) => void }} handlers
   */
  constructor(link, session, handlers) {
    this.link = link;
    this.session = session;
    this.handlers = handlers;
    this.canvas = h("canvas", { class: "picture", role: "img", "aria-label": w("console.screen.label") });
    this.keys = h("textarea", {
      class: "keys",
      "aria-label": w("console.screen.keys"),
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      rows: "1",
    });
    this.#pointer = h("canvas", { class: "remote-pointer", "aria-hidden": "true", hidden: true });
    this.desktop = h("div", { class: "desktop", hidden: true }, this.canvas, this.#pointer, this.keys);
    this.#oldSign = h("div", { class: "old-sign", role: "status", hidden: true });
    this.#placard = h("div", { class: "placard" });
    this.viewport = h("div", { class: "viewport" }, this.desktop);
    this.element = h("div", { class: "stage" }, this.viewport, this.#oldSign, this.#placard);
    this.#resizes = new ResizeObserver(() => this.layOut());
    this.#resizes.observe(this.viewport);
  }

  /** The desktop's size. */
  #size = { width: 0, height: 0 };
  /** @type {Worker | null} */
  #worker = null;
  /** @type {import("./wire.js").Channel | null} */
  #channel = null;
  #pointer;
  #cursor = { hotX: 0, hotY: 0, width: 0, height: 0 };
  #pointerAt = { x: 0, y: 0 };
  #controlling = false;
  #oldSign;
  #placard;
  #resizes;
  #lostAt = 0;
  #cursorUrl = "";

  /** Whether the screen was asked for and not refused (yet). */
  get isOpen() {
    return this.#channel !== null;
  }

  /** Whether there is a picture. */
  get hasPicture() {
    return this.#size.width > 0;
  }

  /** Ask for the screen; where the customer has not agreed yet, they are asked. */
  open() {
    if (this.#channel) return;
    const worker = (this.#worker ??= this.#startWorker());
    worker.postMessage({ type: "reset" });
    this.link.watch(true);
    const channel = this.link.channel("screen", this.session, {
      opened: () => {
        worker.postMessage({ type: "reset" });
        this.handlers.changed();
      },
      frame: (payload, flags) => {
        const data = payload.slice();
        worker.postMessage({ type: "data", data, flags }, [data.buffer]);
      },
      closed: (refusal) => {
        if (this.#channel !== channel) return;
        this.#forget();
        this.handlers.closed(refusal);
      },
    });
    this.#channel = channel;
  }

  /** Stop viewing. */
  close() {
    const channel = this.#channel;
    this.#forget();
    channel?.close();
  }

  dispose() {
    this.close();
    this.#worker?.terminate();
    this.#resizes.disconnect();
    if (this.#cursorUrl) URL.revokeObjectURL(this.#cursorUrl);
  }

  /** Show a placard instead of the picture, or the picture. @param {Placard | null} placard */
  placard(placard) {
    const shows = placard ? JSON.stringify([placard.title, placard.text, placard.action?.text]) : "";
    const was = this.desktop.hidden;
    this.#placard.hidden = placard === null;
    this.desktop.hidden = placard !== null || !this.hasPicture;
    // The keyboard went with the picture and comes back with it, unless it was put elsewhere meanwhile.
    const idle = document.activeElement === document.body;
    if (was && !this.desktop.hidden && this.#controlling && idle) this.keys.focus({ preventScroll: true });
    if (this.#placard.dataset.shows === shows) return;
    this.#placard.dataset.shows = shows;
    fill(
      this.#placard,
      placard && [
        icon(placard.icon),
        h("h2", null, placard.title),
        placard.text && h("p", null, placard.text),
        placard.action && button({ text: placard.action.text, class: "button primary", press: placard.action.press }),
      ],
    );
    if (!placard) this.layOut();
  }

  /** Look whether the picture is still live; called four times a second. @param {boolean} customerThere */
  check(customerThere) {
    if (!this.hasPicture || !this.isOpen) return this.#markOld("");
    const now = performance.now();
    const silent = now - this.link.heardAt > OLD_AFTER_MS;
    const here = this.link.state === "open" && !silent;
    if (here && customerThere) return this.#markOld("");
    this.#lostAt ||= here ? now : Math.min(now, this.link.heardAt);
    const seconds = Math.max(1, Math.round((now - this.#lostAt) / 1000));
    return this.#markOld(w(here ? "console.screen.old_customer" : "console.screen.old_link", { n: seconds }));
  }

  /** @param {boolean} controlling whether this technician has control: the pointer's shape is then their own pointer's */
  control(controlling) {
    this.#controlling = controlling;
    this.desktop.classList.toggle("controlled", controlling);
    this.#showPointer();
    this.#applyCursor();
  }

  /** The part of the desktop that is shown. @returns {Rectangle} */
  get shown() {
    return this.monitors[this.monitor] ?? { x: 0, y: 0, ...this.#size };
  }

  /** A place in the window as one of the remote desktop. @param {{ clientX: number, clientY: number }} event */
  place({ clientX, clientY }) {
    const box = this.desktop.getBoundingClientRect();
    const { x, y, width, height } = this.shown;
    const inside = (/** @type {number} */ value, /** @type {number} */ end) => Math.max(0, Math.min(end - 1, Math.floor(value)));
    return {
      x: x + inside((clientX - box.left) / this.scale, width),
      y: y + inside((clientY - box.top) / this.scale, height),
    };
  }

  /** Fit the picture into the room there is. */
  layOut() {
    if (!this.hasPicture) return;
    const { x, y, width, height } = this.shown;
    const room = this.viewport;
    const most = document.fullscreenElement ? Infinity : 1;
    const exact = 1 / devicePixelRatio;
    const scale = this.fitted ? Math.min(room.clientWidth / width, room.clientHeight / height, most) : exact;
    this.scale = Math.max(0.02, scale);
    this.viewport.classList.toggle("exact", !this.fitted);
    const pixels = (/** @type {number} */ value) => `${value * this.scale}px`;
    Object.assign(this.desktop.style, { width: pixels(width), height: pixels(height) });
    Object.assign(this.canvas.style, {
      width: pixels(this.#size.width),
      height: pixels(this.#size.height),
      left: pixels(-x),
      top: pixels(-y),
    });
    // Scaled up by a whole number, or not at all, pixels stay sharp.
    const sharp = Number.isInteger(Math.round(this.scale * devicePixelRatio * 1000) / 1000);
    this.canvas.classList.toggle("sharp", sharp);
    this.#showPointer();
  }

  // -- inside ----------------------------------------------------------------------------------------------------

  #forget() {
    if (!this.#channel) return;
    this.#channel = null;
    this.link.watch(false);
    this.#size = { width: 0, height: 0 };
    this.desktop.hidden = true;
    this.#markOld("");
  }

  #startWorker() {
    const worker = new Worker(new URL("../shared/screen/worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => this.#take(data));
    const canvas = this.canvas.transferControlToOffscreen();
    worker.postMessage({ type: "init", canvas }, [canvas]);
    return worker;
  }

  /** @param {any} message */
  #take(message) {
    switch (message.type) {
      case "painted":
        this.#channel?.send(message.ack);
        this.#channel?.consumed(message.size);
        this.decode += (message.decode - this.decode) * 0.1;
        break;
      case "geometry":
        this.#geometry(message);
        break;
      case "cursor":
        this.#shape(message);
        break;
      case "pointer":
        this.#pointerAt = { x: message.x, y: message.y };
        this.#showPointer();
        break;
      case "rate":
        this.rate = { quarters: message.quarters, delay: message.delay };
        this.handlers.changed();
        break;
      case "error":
        // The picture begins anew with a channel opened anew.
        console.error("screen:", message.reason);
        this.close();
        this.open();
        break;
    }
  }

  /** @param {{ width: number, height: number, monitors: Monitor[] }} geometry */
  #geometry({ width, height, monitors }) {
    const fresh = !this.hasPicture;
    this.#size = { width, height };
    this.monitors = monitors;
    if (this.monitor >= monitors.length) this.monitor = -1;
    if (fresh) this.desktop.hidden = !this.#placard.hidden;
    this.layOut();
    this.handlers.changed();
  }

  /** @param {{ hotX: number, hotY: number, width: number, height: number, pixels: Uint8ClampedArray<ArrayBuffer> }} cursor */
  #shape({ hotX, hotY, width, height, pixels }) {
    this.#cursor = { hotX, hotY, width, height };
    if (width > 0) {
      this.#pointer.width = width;
      this.#pointer.height = height;
      this.#pointer.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
      this.#pointer.toBlob((blob) => {
        if (this.#cursorUrl) URL.revokeObjectURL(this.#cursorUrl);
        this.#cursorUrl = blob ? URL.createObjectURL(blob) : "";
        this.#applyCursor();
      });
    } else {
      this.#applyCursor();
    }
    this.#showPointer();
  }

  #applyCursor() {
    const { hotX, hotY, width } = this.#cursor;
    const shape = width > 0 && this.#cursorUrl ? `url("${this.#cursorUrl}") ${hotX} ${hotY}, default` : "default";
    this.desktop.style.cursor = this.#controlling ? shape : "";
  }

  /** The customer's pointer is drawn unless it follows one's own. */
  #showPointer() {
    const { hotX, hotY, width } = this.#cursor;
    this.#pointer.hidden = this.#controlling || width === 0;
    const { x, y } = this.shown;
    this.#pointer.style.left = `${(this.#pointerAt.x - x) * this.scale - hotX}px`;
    this.#pointer.style.top = `${(this.#pointerAt.y - y) * this.scale - hotY}px`;
  }

  /** @param {string} text */
  #markOld(text) {
    if (!text) this.#lostAt = 0;
    this.#oldSign.hidden = !text;
    if (text) {
      if (!this.old) fill(this.#oldSign, icon("wifi-off"), h("span"));
      setText(/** @type {Element} */ (this.#oldSign.lastElementChild), text);
    }
    if (Boolean(text) !== Boolean(this.old)) this.element.classList.toggle("old", Boolean(text));
    this.old = text;
  }
}
