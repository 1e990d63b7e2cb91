/** The playback page: the shared player's picture with a seek bar, the events that happened, and the chat beside it. */

import { RecordingPlayer } from "@shared/screen/player.js";
import { bubble } from "./chat.js";
import { byId, fill, h, icon, setText } from "./dom.js";
import { duration, has, w } from "./words.js";

/** @typedef {import("@shared/screen/player.js").RecordedEvent} RecordedEvent */

/** How far the arrow keys go, in ms. */
const STEP = 5000;

/** An event in words. @param {RecordedEvent} event @returns {string} */
function named({ kind, details }) {
  const { tools, outcome } = /** @type {Record<string, string>} */ (details);
  const id = `recording.event.${outcome ? `consent.${outcome}` : kind}`;
  const args = Object.fromEntries(Object.entries(details).map(([key, value]) => [key, String(value)]));
  if (tools) args.tools = tools.split(" ").map((tool) => w(`recording.tool.${tool}`)).join(", ");
  return has(id) ? w(id, args) : kind;
}

class Playback {
  constructor() {
    this.place = byId("playback");
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("screen"));
    this.play = /** @type {HTMLButtonElement} */ (byId("play"));
    this.seek = /** @type {HTMLInputElement} */ (byId("seek"));
    const speed = /** @type {HTMLSelectElement} */ (byId("speed"));
    const base = this.place.dataset.recording;
    this.player = new RecordingPlayer(this.canvas, `${base}/index`, `${base}/file`, {
      time: (position, playing) => this.#time(position, playing),
      geometry: ({ width, height }) => this.#geometry(width, height),
      pointer: () => undefined,
      cursor: () => undefined,
      failed: () => this.#failed(),
    });
    this.play.addEventListener("click", () => this.#toggle());
    this.seek.addEventListener("input", () => void this.player.seek(Number(this.seek.value)));
    speed.addEventListener("change", () => this.player.setSpeed(Number(speed.value)));
    document.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#layOut()).observe(byId("screen-place"));
  }

  #size = { width: 0, height: 0 };
  /** @type {{ at: number, element: HTMLElement }[]} */
  #timed = [];

  async begin() {
    try {
      const { events, duration: length, restarts, closed } = await this.player.load();
      this.#show(events);
      setText(byId("length"), duration(length / 1000));
      this.seek.max = String(length);
      this.seek.disabled = this.play.disabled = restarts.length === 0;
      if (restarts.length === 0) this.#placard(w("console.playback.empty"));
      if (!closed) {
        byId("damaged").hidden = false;
        fill(byId("damaged"), icon("alert"), h("div", null, w("recording.player.not_closed")));
      }
      this.#marks(events, length);
      this.#time(0, false);
    } catch {
      this.#failed();
    }
  }

  /** @param {RecordedEvent[]} events */
  #show(events) {
    const started = this.player.index?.started_at ?? 0;
    for (const event of events) {
      if (event.kind === "chat") {
        const { sender, name, text } = /** @type {Record<string, string>} */ (event.details);
        const element = bubble(
          { seq: 0, id: "", sender, name: sender === "customer" ? "" : name, text, at: started + event.at / 1000 },
          false,
        );
        element.classList.toggle("own", sender !== "customer");
        byId("chat").append(element);
        this.#timed.push({ at: event.at, element });
      } else {
        const jump = h(
          "button",
          { type: "button", class: "row event", onclick: () => void this.player.seek(event.at) },
          h("span", { class: "number muted" }, duration(event.at / 1000)),
          h("span", { class: "row-text" }, named(event)),
        );
        const element = h("li", null, jump);
        byId("events").append(element);
        this.#timed.push({ at: event.at, element });
      }
    }
    byId("events-empty").hidden = byId("events").childElementCount > 0;
    byId("chat-empty").hidden = byId("chat").childElementCount > 0;
  }

  /** Where on the bar something happened. @param {RecordedEvent[]} events @param {number} length */
  #marks(events, length) {
    fill(
      byId("marks"),
      ...events
        .filter(({ kind }) => kind !== "end")
        .map((event) => {
          const mark = h("span", { class: `mark ${event.kind.split(".")[0]}`, title: `${duration(event.at / 1000)} ${named(event)}` });
          mark.style.left = `${(100 * event.at) / Math.max(1, length)}%`;
          return mark;
        }),
    );
  }

  #toggle() {
    if (this.player.playing) this.player.pause();
    else this.player.play();
    this.#time(this.player.position, this.player.playing);
  }

  /** @param {number} position @param {boolean} playing */
  #time(position, playing) {
    const text = duration(position / 1000);
    setText(byId("time"), text);
    if (document.activeElement !== this.seek || playing) this.seek.value = String(Math.round(position));
    this.seek.setAttribute("aria-valuetext", text);
    const label = w(playing ? "console.playback.pause" : "console.playback.play");
    if (this.play.getAttribute("aria-label") !== label) {
      this.play.setAttribute("aria-label", label);
      fill(this.play, icon(playing ? "pause" : "play"));
    }
    for (const { at, element } of this.#timed) element.classList.toggle("future", at > position + 50);
  }

  /** @param {number} width @param {number} height */
  #geometry(width, height) {
    this.#size = { width, height };
    this.canvas.hidden = false;
    byId("placard").hidden = true;
    this.#layOut();
  }

  #layOut() {
    const { width, height } = this.#size;
    if (!width) return;
    const room = byId("screen-place");
    const scale = Math.min(room.clientWidth / width, room.clientHeight / height, 1);
    this.canvas.style.width = `${width * scale}px`;
    this.canvas.style.height = `${height * scale}px`;
  }

  #failed() {
    this.play.disabled = this.seek.disabled = true;
    this.#placard(w("console.playback.failed"), w("console.playback.failed_text"));
  }

  /** @param {string} title @param {string} [text] */
  #placard(title, text) {
    this.canvas.hidden = true;
    const placard = byId("placard");
    placard.hidden = false;
    fill(placard, icon("monitor"), h("h2", null, title), text && h("p", null, text));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("input, select, button, a") || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (event.key === " ") this.#toggle();
    else if (step) void this.player.seek(this.player.position + step);
    else return;
    event.preventDefault();
  }
}

void new Playback().begin();
