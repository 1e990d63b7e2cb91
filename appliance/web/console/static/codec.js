/**
 * The session protocol without IO: the twin of `appliance/wire/frames.py` and `connection.py`, for the browser.
 *
 * `docs/wire.md` is the specification; `tests/unit/console` holds both codecs to the same vectors. A browser opens
 * channels and is never asked for one, so an OPEN from the appliance is refused here.
 */

export const HEADER_SIZE = 6;
export const MAX_PAYLOAD = 0xffff - HEADER_SIZE;
export const MAX_CHANNELS = 256;
export const BULK_SLICE = 16 * 1024;
const MAX_CREDIT = 64 * 1024 * 1024;
const CONTROL_PRIORITY = 1;

/** Frame types; the numbers are the protocol. */
export const FrameType = Object.freeze({
  GREETING: 0x01,
  HELLO: 0x02,
  WELCOME: 0x03,
  REFUSED: 0x04,
  PING: 0x05,
  PONG: 0x06,
  CONTROL: 0x07,
  OPEN: 0x10,
  ACCEPT: 0x11,
  DENY: 0x12,
  DATA: 0x13,
  CREDIT: 0x14,
  CLOSE: 0x15,
});

/** Flags of DATA frames. FIN: a message's last frame; RESTART: the first frame of one from which a reader can begin. */
export const Flag = Object.freeze({ FIN: 0x01, RESTART: 0x02 });

const KIB = 1024;

/**
 * What a channel may do: `priority` (lower goes first), `window` (bytes of credit each way), `maxMessage` (bytes).
 * @typedef {{ priority: number, window: number, maxMessage: number }} Traits
 * @type {Readonly<Record<string, Traits>>}
 */
export const TRAITS = Object.freeze({
  input: { priority: 0, window: 64 * KIB, maxMessage: 4 * KIB },
  chat: { priority: 2, window: 64 * KIB, maxMessage: 32 * KIB },
  clipboard: { priority: 3, window: 256 * KIB, maxMessage: 1024 * KIB },
  screen: { priority: 3, window: 4096 * KIB, maxMessage: 64 * 1024 * KIB },
});

/** The peer broke the protocol; `code` is a message id under `wire.`. */
export class ProtocolError extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** @param {object} message @returns {Uint8Array<ArrayBuffer>} its JSON */
export function encode(message) {
  return encoder.encode(JSON.stringify(message));
}

/**
 * @param {Uint8Array} payload
 * @returns {any} the message; throws ProtocolError when it is none
 */
export function decode(payload) {
  try {
    const message = JSON.parse(decoder.decode(payload));
    if (message === null || typeof message !== "object") throw new TypeError("no object");
    return message;
  } catch {
    throw new ProtocolError("wire.message_malformed");
  }
}

/**
 * @typedef {{ type: number, flags: number, channel: number, payload: Uint8Array<ArrayBuffer> }} Frame
 * One frame; `payload` is a view into the bytes fed, or a copy where the frame was split on the way.
 */

/**
 * The bytes of one frame.
 * @param {number} type @param {number} channel @param {Uint8Array} [payload] @param {number} [flags]
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function pack(type, channel, payload = new Uint8Array(0), flags = 0) {
  if (payload.length > MAX_PAYLOAD) throw new RangeError(`payload of ${payload.length} bytes`);
  const frame = new Uint8Array(HEADER_SIZE + payload.length);
  frame[0] = type;
  frame[1] = flags;
  frame[2] = channel >> 8;
  frame[3] = channel & 0xff;
  frame[4] = payload.length >> 8;
  frame[5] = payload.length & 0xff;
  frame.set(payload, HEADER_SIZE);
  return frame;
}

/** Cuts a byte stream into frames, however it was split on the way. */
export class FrameReader {
  /** @type {Uint8Array<ArrayBuffer>} */
  #rest = new Uint8Array(0);

  /** @param {Uint8Array<ArrayBuffer>} data @returns {Generator<Frame, void, void>} the frames that `data` completes */
  *feed(data) {
    let bytes = data;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + data.length);
      bytes.set(this.#rest);
      bytes.set(data, this.#rest.length);
    }
    let offset = 0;
    while (bytes.length - offset >= HEADER_SIZE) {
      const length = (bytes[offset + 4] << 8) | bytes[offset + 5];
      if (length > MAX_PAYLOAD) throw new ProtocolError("wire.frame_too_long");
      const end = offset + HEADER_SIZE + length;
      if (end > bytes.length) break;
      const start = offset;
      offset = end;
      yield {
        type: bytes[start],
        flags: bytes[start + 1],
        channel: (bytes[start + 2] << 8) | bytes[start + 3],
        payload: bytes.subarray(start + HEADER_SIZE, end),
      };
    }
    this.#rest = bytes.slice(offset);
  }
}

/**
 * @typedef {{ event: "handshake", type: number, message: any }
 *   | { event: "control", message: any }
 *   | { event: "accepted", channel: number }
 *   | { event: "denied", channel: number, refusal: any }
 *   | { event: "data", channel: number, payload: Uint8Array<ArrayBuffer>, flags: number }
 *   | { event: "credit", channel: number }
 *   | { event: "closed", channel: number, refusal: any }
 *   | { event: "pinged" }
 *   | { event: "ponged", payload: Uint8Array }} Event
 */

/**
 * @typedef {object} ChannelState
 * @property {Traits} traits
 * @property {boolean} open accepted by the appliance
 * @property {number} credit bytes this side may still send
 * @property {number} window bytes the appliance may still send
 * @property {number} message bytes of the incoming message so far
 * @property {number} grant consumed, not yet granted again
 * @property {number} queued payload bytes in queue
 * @property {{ payload: Uint8Array, flags: number }[]} queue
 */

/** One connection's frames, channels, credit and sending order; the browser's side, which opens odd channels. */
export class Connection {
  #next = 1;
  #reader = new FrameReader();
  /** @type {Map<number, ChannelState>} */
  #channels = new Map();
  /** @type {Uint8Array<ArrayBuffer>[]} */
  #control = [];
  #turn = 0;

  // -- sending ---------------------------------------------------------------------------------------------------

  /** Queue HELLO. @param {number} type @param {object} message */
  handshake(type, message) {
    this.#control.push(pack(type, 0, encode(message)));
  }

  /** @param {object} message */
  control(message) {
    this.#control.push(pack(FrameType.CONTROL, 0, encode(message)));
  }

  /** @param {Uint8Array} payload at most 64 bytes, which come back in PONG */
  ping(payload) {
    this.#control.push(pack(FrameType.PING, 0, payload));
  }

  /**
   * Ask for a channel. What is sent on it before it is accepted waits.
   * @param {string} name @param {string} session @param {number} [after] the last chat message that is here already
   * @returns {number} its number
   */
  open(name, session, after = 0) {
    if (this.#channels.size >= MAX_CHANNELS || this.#next > 0xffff) throw new ProtocolError("wire.too_many_channels");
    const number = this.#next;
    this.#next += 2;
    const traits = TRAITS[name];
    this.#channels.set(number, {
      traits,
      open: false,
      credit: traits.window,
      window: traits.window,
      message: 0,
      grant: 0,
      queued: 0,
      queue: [],
    });
    this.#control.push(pack(FrameType.OPEN, number, encode({ t: "open", name, session, ...(after ? { after } : {}) })));
    return number;
  }

  /**
   * Queue one message; ignored when the channel is gone.
   * @param {number} number @param {Uint8Array} payload @param {number} [flags]
   */
  send(number, payload, flags = Flag.FIN) {
    const channel = this.#channels.get(number);
    if (!channel) return;
    channel.queue.push({ payload, flags });
    channel.queued += payload.length;
  }

  /** `size` bytes of the channel were used; the appliance may send as many again. @param {number} number @param {number} size */
  consumed(number, size) {
    const channel = this.#channels.get(number);
    if (!channel) return;
    channel.grant += size;
    if (channel.grant * 4 < channel.traits.window) return;
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, channel.grant);
    this.#control.push(pack(FrameType.CREDIT, number, payload));
    channel.window += channel.grant;
    channel.grant = 0;
  }

  /** Close a channel at once; what was queued on it is dropped. @param {number} number */
  close(number) {
    if (!this.#channels.delete(number)) return;
    this.#control.push(pack(FrameType.CLOSE, number));
  }

  /** Payload bytes that wait on a channel. @param {number} number */
  queued(number) {
    return this.#channels.get(number)?.queued ?? 0;
  }

  /** Everything that may be sent now, most urgent first. @returns {Uint8Array<ArrayBuffer>[]} */
  dataToSend() {
    const out = [];
    for (;;) {
      const ready = this.#mostUrgent();
      if (this.#control.length > 0 && !(ready && ready[1].traits.priority < CONTROL_PRIORITY)) {
        out.push(.../** @type {Uint8Array<ArrayBuffer>[]} */ (this.#control.splice(0)));
      } else if (ready) {
        out.push(this.#slice(...ready));
      } else {
        return out;
      }
    }
  }

  // -- receiving -------------------------------------------------------------------------------------------------

  /** @param {Uint8Array<ArrayBuffer>} data @returns {Generator<Event, void, void>} what it means; throws ProtocolError */
  *receive(data) {
    for (const frame of this.#reader.feed(data)) {
      const event = frame.type === FrameType.DATA ? this.#data(frame) : this.#other(frame);
      if (event) yield event;
    }
  }

  // -- inside ----------------------------------------------------------------------------------------------------

  /** @returns {[number, ChannelState] | undefined} channels of one priority take turns */
  #mostUrgent() {
    /** @type {[number, ChannelState] | undefined} */
    let best;
    const entries = [...this.#channels];
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[(index + this.#turn) % entries.length];
      const { open, queue, credit, traits } = entry[1];
      if (!open || queue.length === 0 || (credit <= 0 && queue[0].payload.length > 0)) continue;
      if (!best || traits.priority < best[1].traits.priority) best = entry;
    }
    return best;
  }

  /** @param {number} number @param {ChannelState} channel @returns {Uint8Array<ArrayBuffer>} one frame */
  #slice(number, channel) {
    this.#turn += 1;
    const first = channel.queue[0];
    const bound = Math.min(channel.credit, channel.traits.priority > CONTROL_PRIORITY ? BULK_SLICE : MAX_PAYLOAD);
    let { payload, flags } = first;
    if (payload.length > bound) {
      first.payload = payload.subarray(bound);
      first.flags = flags & ~Flag.RESTART;
      payload = payload.subarray(0, bound);
      flags &= ~Flag.FIN;
    } else {
      channel.queue.shift();
    }
    channel.credit -= payload.length;
    channel.queued -= payload.length;
    return pack(FrameType.DATA, number, payload, flags);
  }

  /** The channel, or undefined when it is no more; what is still under way on it is dropped. @param {number} number */
  #known(number) {
    const channel = this.#channels.get(number);
    // Only this side opens channels, with odd numbers in turn.
    const used = number % 2 === 1 && number < this.#next;
    if (!channel && !used) throw new ProtocolError("wire.channel_not_open");
    return channel;
  }

  /** @param {Frame} frame @returns {Event | undefined} */
  #data({ channel: number, payload, flags }) {
    const channel = this.#known(number);
    if (!channel) return undefined;
    if (!channel.open) throw new ProtocolError("wire.channel_not_open");
    channel.window -= payload.length;
    if (channel.window < 0) throw new ProtocolError("wire.credit_exceeded");
    channel.message += payload.length;
    if (channel.message > channel.traits.maxMessage) throw new ProtocolError("wire.message_too_long");
    if (flags & Flag.FIN) channel.message = 0;
    return { event: "data", channel: number, payload, flags: flags & 0x03 };
  }

  /** @param {Frame} frame @returns {Event | undefined} */
  #other({ type, channel: number, payload }) {
    switch (type) {
      case FrameType.GREETING:
      case FrameType.HELLO:
      case FrameType.WELCOME:
      case FrameType.REFUSED:
        return { event: "handshake", type, message: decode(payload) };
      case FrameType.PING:
        if (payload.length > 64) throw new ProtocolError("wire.ping_too_long");
        this.#control.push(pack(FrameType.PONG, 0, payload));
        return { event: "pinged" };
      case FrameType.PONG:
        return { event: "ponged", payload };
      case FrameType.CONTROL:
        return { event: "control", message: decode(payload) };
      case FrameType.OPEN:
        throw new ProtocolError("wire.channel_number");
      case FrameType.ACCEPT:
      case FrameType.DENY:
        return this.#answer(type, number, payload);
      case FrameType.CREDIT:
        return this.#credit(number, payload);
      case FrameType.CLOSE:
        if (!this.#known(number)) return undefined;
        this.#channels.delete(number);
        this.#control.push(pack(FrameType.CLOSE, number));
        return { event: "closed", channel: number, refusal: payload.length > 0 ? decode(payload) : null };
      default:
        return undefined;
    }
  }

  /** @param {number} type @param {number} number @param {Uint8Array<ArrayBuffer>} payload @returns {Event | undefined} */
  #answer(type, number, payload) {
    const channel = this.#known(number);
    if (!channel) return undefined;
    if (channel.open) throw new ProtocolError("wire.channel_not_open");
    if (type === FrameType.DENY) {
      this.#channels.delete(number);
      return { event: "denied", channel: number, refusal: decode(payload) };
    }
    channel.open = true;
    return { event: "accepted", channel: number };
  }

  /** @param {number} number @param {Uint8Array<ArrayBuffer>} payload @returns {Event | undefined} */
  #credit(number, payload) {
    const channel = this.#known(number);
    if (!channel) return undefined;
    if (payload.length !== 4) throw new ProtocolError("wire.credit_malformed");
    channel.credit += new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    if (channel.credit > MAX_CREDIT) throw new ProtocolError("wire.credit_exceeded");
    return { event: "credit", channel: number };
  }
}
