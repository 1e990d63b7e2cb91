/** What the appliance has told this tab: the values of all topics, as `appliance/broker/views.py` describes them. */

/** @typedef {{ id: string, args?: Record<string, string | number> }} Text */
/** @typedef {"available" | "busy" | "away"} Presence */
/** @typedef {{ id: string, name: string, presence: Presence, permissions: string[], language: string, key_minutes: number, time: number }} Me */
/** @typedef {{ id: string, key: string, display: string, link: string, created_at: number, expires_at: number, state: string, session: string | null, unsupported: string, note: Text | null }} Key */
/** @typedef {{ session: string, since: number, position: number, called: boolean, reason: Text, issuer: string, system: string, host: string, user: string, key_id: string }} Waiting */
/** @typedef {{ id: string, name: string, role: string, connected: boolean, viewing: boolean }} Member */
/** @typedef {{ decision: "allow" | "ask" | "deny", rule: Text, outcome: string | null, asking: boolean }} ToolView */
/** @typedef {{ connected: boolean, host: string, user: string, os: string, display: string, language: string, client: string, address: string }} Customer */
/**
 * @typedef {object} Session
 * @property {string} id
 * @property {"waiting" | "offered" | "active" | "lost" | "resumed" | "ended"} state
 * @property {number} since
 * @property {"owner" | "observer"} role
 * @property {Customer} customer
 * @property {string[]} words
 * @property {Member[]} members
 * @property {string | null} controller
 * @property {string[]} wanting
 * @property {string[]} granted
 * @property {Record<string, string>} denied
 * @property {Record<string, ToolView>} tools
 * @property {boolean} recording
 * @property {string} notes
 * @property {number} unread
 * @property {Text | null} screen
 * @property {number | null} resume_until
 * @property {Text | null} ended
 */

/** The state of one tab. Listeners are called with the topic's first part and, for a session, its id. */
export class State {
  /** @type {Me | null} */
  me = null;
  /** @type {Key[] | null} */
  keys = null;
  /** @type {Waiting[] | null} */
  queue = null;
  /** @type {{ id: string, name: string, presence: Presence }[]} */
  technicians = [];
  /** @type {Map<string, Session>} */
  sessions = new Map();

  /** Seconds that the appliance's clock is ahead of this one. */
  #skew = 0;
  /** @type {Set<(topic: string, id: string) => void>} */
  #listeners = new Set();

  /** @param {(topic: string, id: string) => void} listener */
  listen(listener) {
    this.#listeners.add(listener);
  }

  /** Seconds since 1970 by the appliance's clock. */
  now() {
    return Date.now() / 1000 + this.#skew;
  }

  /** @param {string} permission */
  may(permission) {
    return this.me?.permissions.includes(permission) ?? false;
  }

  /** @param {{ topic: string, value: any }} update */
  apply({ topic, value }) {
    const [name, id = ""] = topic.split("/");
    switch (name) {
      case "me":
        this.me = value;
        if (value?.time) this.#skew = value.time - Date.now() / 1000;
        break;
      case "keys":
        this.keys = value ?? [];
        break;
      case "queue":
        this.queue = value ?? [];
        break;
      case "technicians":
        this.technicians = value ?? [];
        break;
      case "session":
        if (value) this.sessions.set(id, value);
        else this.sessions.delete(id);
        break;
      default:
        return;
    }
    for (const listener of this.#listeners) listener(name, id);
  }
}

/** How a customer is called in lists: user and machine, as far as they are known. @param {{ user: string, host: string }} customer @param {string} unnamed */
export function customerName({ user, host }, unnamed) {
  if (user && host) return `${user} · ${host}`;
  return user || host || unnamed;
}
