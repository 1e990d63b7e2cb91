/**
 * Somebody waits or writes: a sound, a number in the title, and a notification of the desktop while the tab is hidden.
 *
 * Nothing is asked for on load: sound needs a first gesture anyway, and notifications have their button.
 */

import { byId, toast } from "./dom.js";
import { w } from "./words.js";

const SOUND_KEY = "beistand.sound";

/** Two rising notes for a customer who waits, one for a message. @type {Record<string, [number, number][]>} */
const MELODIES = {
  waiting: [
    [659, 0],
    [880, 0.16],
  ],
  message: [[784, 0]],
};

export class Alerts {
  #title = document.title;
  #count = 0;
  /** @type {AudioContext | null} */
  #audio = null;
  #sound = localStorage.getItem(SOUND_KEY) !== "off";

  constructor() {
    const wake = () => {
      this.#audio ??= new AudioContext();
      void this.#audio.resume();
    };
    addEventListener("pointerdown", wake, { once: true });
    addEventListener("keydown", wake, { once: true });
    const sound = byId("alert-sound");
    sound.addEventListener("click", () => {
      this.#sound = !this.#sound;
      localStorage.setItem(SOUND_KEY, this.#sound ? "on" : "off");
      this.#show();
      if (this.#sound) this.#play("message");
    });
    byId("alert-desktop").addEventListener("click", () => void this.#askPermission());
    this.#show();
  }

  /** The number in the tab's title. @param {number} count */
  badge(count) {
    if (count === this.#count) return;
    this.#count = count;
    document.title = count > 0 ? `(${count}) ${this.#title}` : this.#title;
    if (count > 0) void navigator.setAppBadge?.(count).catch(() => undefined);
    else void navigator.clearAppBadge?.().catch(() => undefined);
  }

  /**
   * @param {"waiting" | "message"} kind @param {string} title @param {string} body @param {string} hash where a click leads
   */
  raise(kind, title, body, hash) {
    if (this.#sound) this.#play(kind);
    if (document.hidden && "Notification" in window && Notification.permission === "granted") {
      void this.#notify(title, body, hash);
    }
  }

  /** @param {string} title @param {string} body @param {string} hash */
  async #notify(title, body, hash) {
    const options = { body, tag: hash, icon: byId("notification-icon").getAttribute("href") ?? undefined, data: { hash } };
    const registration = await navigator.serviceWorker?.getRegistration("/console");
    if (registration?.active) return registration.showNotification(title, options);
    const notification = new Notification(title, options);
    notification.onclick = () => {
      window.focus();
      location.hash = hash;
      notification.close();
    };
    return undefined;
  }

  async #askPermission() {
    if (!("Notification" in window)) return toast(w("console.alerts.unavailable"), "error");
    const permission = await Notification.requestPermission();
    this.#show();
    toast(w(permission === "granted" ? "console.alerts.granted" : "console.alerts.denied"));
    return undefined;
  }

  #show() {
    byId("alert-sound").setAttribute("aria-pressed", String(this.#sound));
    const permission = "Notification" in window ? Notification.permission : "denied";
    byId("alert-desktop").setAttribute("aria-pressed", String(permission === "granted"));
  }

  /** @param {string} kind */
  #play(kind) {
    const audio = this.#audio;
    if (!audio || audio.state !== "running") return;
    for (const [frequency, delay] of MELODIES[kind]) {
      const start = audio.currentTime + delay;
      const tone = audio.createOscillator();
      const gain = audio.createGain();
      tone.frequency.value = frequency;
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(0.18, start + 0.015);
      gain.gain.exponentialRampToValueAtTime(0.001, start + 0.4);
      tone.connect(gain).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.42);
    }
  }
}
