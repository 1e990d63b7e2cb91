/**
 * The console's one connection: a WebSocket that carries the session protocol, comes back by itself, and over which
 * all state arrives (`Update`), all requests go (`Call`) and all channels run.
 *
 * A `Channel` outlives the connection: it is asked for again after each reconnect. What was sent on it while the
 * connection was down is dropped, never delivered late; who needs more (chat) keeps an outbox.
 */

import { Connection, Flag, FrameType, ProtocolError, decode, encode } from "./codec.js";

const VERSION = 1;
const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 15_000;
const HANDSHAKE_MS = 10_000;
const SEND_AHEAD = 64 * 1024;

/** @typedef {"connecting" | "open" | "waiting" | "refused" | "stopped"} LinkState */

/** A call was refused; `refusal` is `{reason, args}`, put into words where it is shown. */
export class Refused extends Error {
  /** @param {{ reason: string, args?: Record<string, string | number>, retry?: boolean }} refusal */
  constructor(refusal) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

/**
 * @typedef {object} ChannelHandlers
 * @property {(payload: Uint8Array<ArrayBuffer>, flags: number) => void} frame one frame of a message; the view is good until it returns
 * @property {() => void} [opened] the appliance accepted (again)
 * @property {() => void} [lost] the connection went; it will be asked for again
 * @property {(refusal: any) => void} [closed] denied or closed for good, with the reason or null
 * @property {() => number} [after] the last chat message that is here
 */

/** One channel of one session. */
export class Channel {
  number = 0;
  isOpen = false;
  over = false;

  /** @param {Link} link @param {string} name @param {string} session @param {ChannelHandlers} handlers */
  constructor(link, name, session, handlers) {
    this.link = link;
    this.name = name;
    this.session = session;
    this.handlers = handlers;
  }

  /** Send one message, or drop it when the channel is not open. @param {Uint8Array} payload @returns {boolean} whether it went */
  send(payload) {
    if (!this.isOpen) return false;
    this.link.sendOn(this.number, payload);
    return true;
  }

  /** @param {object} message @returns {boolean} */
  sendMessage(message) {
    return this.send(encode(message));
  }

  /** `size` bytes were used: the appliance may send as many again. @param {number} size */
  consumed(size) {
    this.link.consumedOn(this.number, size);
  }

  close() {
    this.link.closeChannel(this);
  }
}

/** Joins the frames of messages, for channels whose messages are small. @param {(message: any) => void} take @returns {ChannelHandlers["frame"]} */
export function messages(take) {
  /** @type {Uint8Array[]} */
  let parts = [];
  return (payload, flags) => {
    parts.push(payload.slice());
    if (!(flags & Flag.FIN)) return;
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    parts = [];
    take(decode(whole));
  };
}

/** The connection. */
export class Link {
  /** @type {LinkState} */
  state = "stopped";
  /** The last WELCOME. @type {any} */
  welcome = null;
  /** When the next attempt starts (performance.now), while `state` is "waiting". */
  retryAt = 0;
  /** Milliseconds of the last PING and PONG; NaN before the first. */
  roundTrip = NaN;
  /** performance.now() of the last bytes that arrived. */
  heardAt = 0;

  /** @type {WebSocket | null} */
  #socket = null;
  #connection = new Connection();
  /** @type {Map<number, Channel>} */
  #byNumber = new Map();
  /** @type {Set<Channel>} */
  #wanted = new Set();
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #calls = new Map();
  #nextCall = 1;
  #failures = 0;
  #retryTimer = 0;
  #pingTimer = 0;
  #flushTimer = 0;
  #watching = 0;

  /**
   * @param {string} url of the socket
   * @param {object} handlers
   * @param {(message: any) => void} handlers.message a control message that is no Reply
   * @param {(state: LinkState, refusal?: any) => void} handlers.state
   * @param {() => Promise<boolean>} handlers.mayRetry asked after a socket that never opened: still signed in?
   */
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
  }

  start() {
    this.#connect();
  }

  /** Close for good. */
  stop() {
    clearTimeout(this.#retryTimer);
    this.#enter("stopped");
    this.#socket?.close(1000);
  }

  /** Skip the rest of the wait before the next attempt. */
  retryNow() {
    if (this.state !== "waiting") return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  /**
   * Ask the broker. Rejects with Refused, or with an Error when the connection is lost before the answer.
   * @param {string} name @param {object} [params] @returns {Promise<any>}
   */
  call(name, params = {}) {
    if (this.state !== "open") return Promise.reject(new Refused({ reason: "console.link.lost", retry: true }));
    const id = this.#nextCall++;
    const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    this.#connection.control({ t: "call", id, name, params });
    this.#flush();
    return answer;
  }

  /** Open a channel, now or as soon as there is a connection. @param {string} name @param {string} session @param {ChannelHandlers} handlers */
  channel(name, session, handlers) {
    const channel = new Channel(this, name, session, handlers);
    this.#wanted.add(channel);
    if (this.state === "open") this.#ask(channel);
    return channel;
  }

  /** While somebody watches a screen, a lost link is looked for every 400 ms. @param {boolean} on */
  watch(on) {
    this.#watching = Math.max(0, this.#watching + (on ? 1 : -1));
    if (this.state === "open") this.#schedulePing();
  }

  /** @param {number} number @param {Uint8Array} payload */
  sendOn(number, payload) {
    this.#connection.send(number, payload);
    this.#flush();
  }

  /** @param {number} number @param {number} size */
  consumedOn(number, size) {
    this.#connection.consumed(number, size);
    this.#flush();
  }

  /** @param {Channel} channel */
  closeChannel(channel) {
    if (!this.#wanted.delete(channel)) return;
    channel.over = true;
    channel.isOpen = false;
    if (this.#byNumber.delete(channel.number)) {
      this.#connection.close(channel.number);
      this.#flush();
    }
  }

  // -- inside ----------------------------------------------------------------------------------------------------

  #connect() {
    this.#enter("connecting");
    this.#connection = new Connection();
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    let opened = false;
    const deadline = setTimeout(() => socket.close(), HANDSHAKE_MS);
    socket.onopen = () => (opened = true);
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.heardAt = performance.now();
      try {
        for (const event of this.#connection.receive(new Uint8Array(data))) this.#take(event);
        if (this.state === "open") clearTimeout(deadline);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        console.error("protocol error", error.code);
        socket.close();
      } finally {
        this.#flush();
      }
    };
    socket.onclose = () => {
      clearTimeout(deadline);
      if (socket === this.#socket) void this.#closed(opened);
    };
  }

  /** @param {boolean} opened */
  async #closed(opened) {
    this.#socket = null;
    clearTimeout(this.#pingTimer);
    for (const { reject } of this.#calls.values()) reject(new Refused({ reason: "console.link.lost", retry: true }));
    this.#calls.clear();
    this.#byNumber.clear();
    const lost = [...this.#wanted].filter((channel) => channel.isOpen);
    for (const channel of lost) {
      channel.isOpen = false;
      channel.handlers.lost?.();
    }
    if (this.state === "stopped" || this.state === "refused") return;
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
    this.retryAt = performance.now() + delay;
    this.#enter("waiting");
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    // A socket that closes at once may mean that the sign-in is over; the page then goes to sign in again.
    if ((!opened || this.#failures > 1) && !(await this.handlers.mayRetry())) this.stop();
  }

  /** @param {import("./codec.js").Event} event */
  #take(event) {
    switch (event.event) {
      case "handshake":
        return this.#handshake(event.type, event.message);
      case "control":
        return this.#controlMessage(event.message);
      case "accepted":
        return this.#with(event.channel, (channel) => {
          channel.isOpen = true;
          channel.handlers.opened?.();
        });
      case "data": {
        const channel = this.#byNumber.get(event.channel);
        channel?.handlers.frame(event.payload, event.flags);
        // The screen's credit is given back by its worker, when it has decoded the bytes.
        if (channel && channel.name !== "screen") this.#connection.consumed(event.channel, event.payload.length);
        return undefined;
      }
      case "denied":
      case "closed":
        return this.#with(event.channel, (channel) => {
          this.#byNumber.delete(event.channel);
          this.#wanted.delete(channel);
          channel.isOpen = false;
          channel.over = true;
          channel.handlers.closed?.(event.refusal);
        });
      case "ponged":
        this.roundTrip = performance.now() - new DataView(event.payload.slice().buffer).getFloat64(0);
        return undefined;
      default:
        return undefined;
    }
  }

  /** @param {number} number @param {(channel: Channel) => void} act */
  #with(number, act) {
    const channel = this.#byNumber.get(number);
    if (channel) act(channel);
  }

  /** @param {number} type @param {any} message */
  #handshake(type, message) {
    if (type === FrameType.GREETING) {
      if (!message.versions?.includes(VERSION)) throw new ProtocolError("wire.version");
      this.#connection.handshake(FrameType.HELLO, { t: "hello", version: VERSION, kind: "console" });
    } else if (type === FrameType.WELCOME) {
      this.welcome = message;
      this.#failures = 0;
      this.#enter("open");
      for (const channel of this.#wanted) this.#ask(channel);
      this.#schedulePing();
    } else {
      this.#enter(message.retry ? this.state : "refused", message);
      this.#socket?.close();
    }
  }

  /** @param {any} message */
  #controlMessage(message) {
    if (message.t !== "reply") return this.handlers.message(message);
    const call = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.refusal) call?.reject(new Refused(message.refusal));
    else call?.resolve(message.result ?? null);
  }

  /** @param {Channel} channel */
  #ask(channel) {
    channel.number = this.#connection.open(channel.name, channel.session, channel.handlers.after?.() ?? 0);
    this.#byNumber.set(channel.number, channel);
    this.#flush();
  }

  #schedulePing() {
    clearTimeout(this.#pingTimer);
    const interval = this.#watching > 0 ? 400 : (this.welcome.ping_interval ?? 10) * 1000;
    this.#pingTimer = setTimeout(() => {
      if (performance.now() - this.heardAt > (this.welcome.ping_deadline ?? 30) * 1000) {
        // A half-open connection: its close handshake would wait as well, so it is forgotten first.
        const socket = this.#socket;
        this.#socket = null;
        socket?.close();
        void this.#closed(true);
        return;
      }
      const payload = new Uint8Array(8);
      new DataView(payload.buffer).setFloat64(0, performance.now());
      this.#connection.ping(payload);
      this.#flush();
      this.#schedulePing();
    }, interval);
  }

  /** Hand over what may go; little at a time, so that a key press never queues behind a clipboard in the socket. */
  #flush() {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > SEND_AHEAD) {
      this.#flushTimer ||= setTimeout(() => {
        this.#flushTimer = 0;
        this.#flush();
      }, 10);
      return;
    }
    for (const frame of this.#connection.dataToSend()) socket.send(frame);
  }

  /** @param {LinkState} state @param {any} [refusal] */
  #enter(state, refusal) {
    this.state = state;
    this.handlers.state(state, refusal);
  }
}
