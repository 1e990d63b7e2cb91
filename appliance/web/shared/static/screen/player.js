/**
 * Plays a recording: the relay's own file (appliance/relay/recording_format.py), read in ranges, painted by the same
 * worker as a live session. Draws no controls; the page has them.
 *
 * @typedef {{at: number, kind: string, details: Record<string, unknown>}} RecordedEvent `at` in ms
 * @typedef {{session: string, started_at: number, meta: Record<string, unknown>, size: number, first: number,
 *   duration: number, restarts: [number, number][], events: RecordedEvent[], closed: boolean}} RecordingIndex
 *
 * @typedef {object} PlayerListener
 * @property {(position: number, playing: boolean) => void} time ms; a few times a second, and on every change
 * @property {(geometry: {width: number, height: number}) => void} geometry
 * @property {(x: number, y: number) => void} pointer where the customer's pointer is
 * @property {(cursor: object) => void} cursor see decoder.js
 * @property {(error: unknown) => void} failed
 */

const SCREEN = 1;
const SEGMENT_HEAD = 21;
const RECORD_HEAD = 10;
const SEAL = 96;
const MAX_BODY = 8 * 1024 * 1024;
const CHUNK = 512 * 1024;
const FIN = 1;
const RESTART = 2;
/** Milliseconds between reports of the time. */
const REPORT = 200;
/** Messages that the worker may have waiting; playing faster than it paints slows down. */
const AHEAD = 60;
/** Messages given to the worker at once when seeking. */
const BATCH = 64;

/** Reads the file from a place on. */
class Reader {
  /** @param {string} address @param {number} offset @param {number} size where the file ends */
  constructor(address, offset, size) {
    this.address = address;
    this.offset = offset;
    this.size = size;
    this.buffer = new Uint8Array(0);
    this.abort = new AbortController();
  }

  /** @param {number} length @returns {Promise<Uint8Array | null>} null at the end */
  async take(length) {
    if (this.buffer.length < length) {
      const missing = Math.min(this.size - this.offset, Math.max(CHUNK, length - this.buffer.length));
      if (this.buffer.length + missing < length) return null;
      const range = `bytes=${this.offset}-${this.offset + missing - 1}`;
      const answer = await fetch(this.address, { headers: { Range: range }, signal: this.abort.signal });
      if (answer.status !== 206) throw new Error(`the recording's file: ${answer.status}`);
      const more = new Uint8Array(await answer.arrayBuffer());
      if (more.length !== missing) throw new Error("the recording's file is shorter than it was");
      const whole = new Uint8Array(this.buffer.length + missing);
      whole.set(this.buffer);
      whole.set(more, this.buffer.length);
      this.buffer = whole;
      this.offset += missing;
    }
    const taken = this.buffer.subarray(0, length);
    this.buffer = this.buffer.subarray(length);
    return taken;
  }
}

/**
 * Whole screen messages with their times, from a segment on.
 * @param {Reader} reader @returns {AsyncGenerator<{at: number, message: Uint8Array}, void>}
 */
async function* messages(reader) {
  /** @type {Uint8Array[]} */
  let frames = [];
  for (;;) {
    const head = await reader.take(SEGMENT_HEAD);
    if (head === null) return;
    const length = new DataView(head.buffer, head.byteOffset, SEGMENT_HEAD).getUint32(17);
    if (String.fromCharCode(...head.subarray(0, 4)) !== "SEGM" || length > MAX_BODY) throw new Error("damaged recording");
    const body = await reader.take(length + SEAL);
    if (body === null) return;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    for (let at = 0; at + RECORD_HEAD <= length; ) {
      const size = view.getUint32(at + 6);
      const flags = view.getUint8(at + 5);
      const begin = at + RECORD_HEAD;
      if (begin + size > length) throw new Error("damaged recording");
      if (view.getUint8(at) === SCREEN) {
        if (flags & RESTART) frames = [];
        frames.push(body.slice(begin, begin + size));
        if (flags & FIN) {
          yield { at: view.getUint32(at + 1), message: joined(frames) };
          frames = [];
        }
      }
      at = begin + size;
    }
  }
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export class RecordingPlayer {
  /**
   * @param {HTMLCanvasElement} canvas a fresh one: it is handed to the worker
   * @param {string} indexAddress gives a RecordingIndex as JSON
   * @param {string} fileAddress gives the file, in ranges
   * @param {PlayerListener} listener
   */
  constructor(canvas, indexAddress, fileAddress, listener) {
    this.indexAddress = indexAddress;
    this.fileAddress = fileAddress;
    this.listener = listener;
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", (event) => this.heard(event.data));
    const offscreen = canvas.transferControlToOffscreen();
    this.worker.postMessage({ type: "init", canvas: offscreen }, [offscreen]);
    /** @type {RecordingIndex | null} */
    this.index = null;
    this.position = 0;
    this.playing = false;
    this.speed = 1;
    this.waiting = 0;
    /** Counts seeks: what an older one still fetches is thrown away. */
    this.turn = 0;
    /** @type {Reader | null} */
    this.reader = null;
    /** @type {AsyncGenerator<{at: number, message: Uint8Array}, void> | null} */
    this.stream = null;
    /** @type {{at: number, message: Uint8Array} | null} read, and due at its time */
    this.next = null;
    /** @type {Map<number, () => void>} */
    this.replays = new Map();
    this.replay = 0;
    this.timer = 0;
    this.clock = 0;
    this.fetching = false;
  }

  /** Fetch the index and show the beginning. @returns {Promise<RecordingIndex>} */
  async load() {
    const answer = await fetch(this.indexAddress);
    if (!answer.ok) throw new Error(`the recording's index: ${answer.status}`);
    this.index = /** @type {RecordingIndex} */ (await answer.json());
    await this.seek(0);
    return this.index;
  }

  get duration() {
    return this.index?.duration ?? 0;
  }

  play() {
    if (this.playing) return;
    if (this.position >= this.duration) void this.seek(0);
    this.playing = true;
    this.clock = performance.now();
    this.tick();
  }

  pause() {
    this.advance();
    this.playing = false;
    window.clearTimeout(this.timer);
    this.listener.time(this.position, false);
  }

  /** @param {number} speed 1 is as it happened */
  setSpeed(speed) {
    this.advance();
    this.speed = Math.max(0.25, Math.min(64, speed));
  }

  /** Show the picture of a moment. @param {number} position ms */
  async seek(position) {
    const index = this.index;
    if (index === null) return;
    const target = Math.max(0, Math.min(index.duration, position));
    const turn = (this.turn += 1);
    this.reader?.abort.abort();
    this.position = target;
    this.clock = performance.now();
    this.next = null;
    this.stream = null;
    const begin = index.restarts.filter(([at]) => at <= target).pop() ?? index.restarts[0];
    if (begin === undefined) return this.listener.time(this.position, this.playing);
    this.reader = new Reader(this.fileAddress, begin[1], index.size);
    const stream = messages(this.reader);
    try {
      /** @type {Uint8Array[]} */
      let batch = [];
      for (;;) {
        const { value } = await stream.next();
        if (turn !== this.turn) return;
        // The first picture is shown even before its time, rather than nothing.
        if (value && (value.at <= target || value.at === begin[0])) batch.push(value.message);
        else this.next = value ?? null;
        const over = !value || this.next !== null;
        if (batch.length >= BATCH || over) {
          await this.paintAll(batch);
          if (turn !== this.turn) return;
          // The worker works in order: whatever waited before is painted too.
          this.waiting = 0;
          batch = [];
        }
        if (over) break;
      }
      this.stream = stream;
      this.clock = performance.now();
      this.listener.time(this.position, this.playing);
    } catch (error) {
      if (turn === this.turn) this.failed(error);
    }
  }

  close() {
    this.turn += 1;
    this.playing = false;
    window.clearTimeout(this.timer);
    this.reader?.abort.abort();
    this.worker.terminate();
  }

  /** Move the position on by what has passed. */
  advance() {
    const now = performance.now();
    // While a seek is on its way, or the worker is behind, time stands still.
    if (this.playing && this.stream !== null && this.waiting < AHEAD) {
      this.position = Math.min(this.duration, this.position + (now - this.clock) * this.speed);
    }
    this.clock = now;
  }

  /** Paint what is due, and come again. */
  tick() {
    window.clearTimeout(this.timer);
    if (!this.playing) return;
    this.advance();
    void this.paintDue().catch((error) => this.failed(error));
    this.listener.time(this.position, true);
    if (this.position >= this.duration && this.next === null && this.stream !== null) return this.pause();
    const until = this.next === null ? REPORT : (this.next.at - this.position) / this.speed;
    this.timer = window.setTimeout(() => this.tick(), Math.max(4, Math.min(REPORT, until)));
  }

  async paintDue() {
    const { stream, turn } = this;
    if (stream === null || this.fetching) return;
    this.fetching = true;
    try {
      while (this.next !== null && this.next.at <= this.position && this.waiting < AHEAD && turn === this.turn) {
        this.waiting += 1;
        this.worker.postMessage({ type: "data", data: this.next.message, flags: FIN });
        const { value } = await stream.next();
        if (turn !== this.turn) return;
        this.next = value ?? null;
      }
    } finally {
      this.fetching = false;
    }
  }

  /** @param {Uint8Array[]} batch @returns {Promise<void>} when the worker has painted them */
  paintAll(batch) {
    const id = (this.replay += 1);
    return new Promise((done) => {
      this.replays.set(id, done);
      this.worker.postMessage({ type: "replay", messages: batch, id });
    });
  }

  /** @param {any} message of the worker */
  heard(message) {
    switch (message.type) {
      case "painted":
        this.waiting -= 1;
        break;
      case "replayed":
        this.replays.get(message.id)?.();
        this.replays.delete(message.id);
        break;
      case "geometry":
        this.listener.geometry(message);
        break;
      case "pointer":
        this.listener.pointer(message.x, message.y);
        break;
      case "cursor":
        this.listener.cursor(message);
        break;
      case "error":
        this.failed(new Error(message.reason));
        break;
    }
  }

  /** @param {unknown} error */
  failed(error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    this.playing = false;
    this.stream = null;
    for (const done of this.replays.values()) done();
    this.replays.clear();
    this.listener.failed(error);
  }
}
