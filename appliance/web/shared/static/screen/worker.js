/**
 * The worker that paints a session's screen (and a recording's): a module worker, made with
 * `new Worker(url, {type: "module"})`.
 *
 * To it:
 *   {type: "init", canvas: OffscreenCanvas, wasm?: string}   once, the canvas transferred; answered by "ready"
 *   {type: "data", data: Uint8Array | ArrayBuffer, flags: number}   the payload and flags of one DATA frame (1 FIN, 2 RESTART)
 *   {type: "replay", messages: Uint8Array[], id: number}   whole messages in order; answered by "replayed" when painted;
 *       the listener hears only of what the last state is (for seeking)
 *   {type: "reset"}   forget a half message: the channel was opened anew
 *   {type: "pixels", id: number, x: number, y: number, width: number, height: number}   answered by "pixels"
 *
 * From it:
 *   {type: "ready"}
 *   {type: "painted", ack: Uint8Array, seq, size, decode, queued}   right after painting: `ack` is to be sent on
 *       the screen channel; `decode` in ms; `size`: bytes of the message; `queued`: messages that still wait
 *   {type: "geometry", width, height, monitors: {name, x, y, width, height, primary}[]}
 *   {type: "cursor", hotX, hotY, width, height, pixels: Uint8ClampedArray}   RGBA; width 0: no cursor is shown
 *   {type: "pointer", x, y}   where the customer's pointer is
 *   {type: "rate", quarters, delay}   4 quarters is the full rate; `delay`: the ms that decided it
 *   {type: "replayed", id}
 *   {type: "pixels", id, data: Uint8ClampedArray}   RGBA
 *   {type: "error", reason, needsRestart: true}   the stream is broken: ask for a restart; data is dropped until one comes
 *
 * @typedef {{type: "init", canvas: OffscreenCanvas, wasm?: string}
 *   | {type: "data", data: Uint8Array | ArrayBuffer, flags: number}
 *   | {type: "replay", messages: Uint8Array[], id: number}
 *   | {type: "reset"}
 *   | {type: "pixels", id: number, x: number, y: number, width: number, height: number}} ToWorker
 */

import { packPainted, readHeader, RESTART, ScreenDecoder } from "./decoder.js";
import { loadZstd, MAX_MESSAGE, ScreenError } from "./zstd.js";

const FIN = 1;
const BEGIN = 2;

/** @type {ScreenDecoder | null} */
let decoder = null;
/** @type {Uint8Array[]} the frames of a message that is not whole yet */
let frames = [];
let framesSize = 0;
/** @type {(() => Promise<void> | void)[]} what is to be done, in order */
const queue = [];
let busy = false;
let broken = false;

/** @param {object} message @param {Transferable[]} [transfer] */
function post(message, transfer = []) {
  /** @type {(message: object, transfer: Transferable[]) => void} */ (self.postMessage)(message, transfer);
}

const listener = {
  geometry: (/** @type {object} */ geometry) => post({ type: "geometry", ...geometry }),
  cursor: (/** @type {{pixels: Uint8ClampedArray}} */ cursor) => post({ type: "cursor", ...cursor }),
  pointer: (/** @type {number} */ x, /** @type {number} */ y) => post({ type: "pointer", x, y }),
  rate: (/** @type {number} */ quarters, /** @type {number} */ delay) => post({ type: "rate", quarters, delay }),
};

/** Work off the queue; one thing that has to wait (an image) holds the rest back, so that order is kept. */
function run() {
  if (busy) return;
  for (;;) {
    const next = queue.shift();
    if (next === undefined) return;
    try {
      const later = next();
      if (later !== undefined) {
        busy = true;
        later.catch(failed).finally(() => {
          busy = false;
          run();
        });
        return;
      }
    } catch (error) {
      failed(error);
    }
  }
}

/** @param {unknown} error */
function failed(error) {
  if (!(error instanceof ScreenError)) throw error;
  broken = true;
  post({ type: "error", reason: error.message, needsRestart: true });
}

/** Paint a live message and acknowledge it. @param {Uint8Array} message @returns {Promise<void> | void} */
function paint(message) {
  if (decoder === null) throw new Error("not initialised");
  const screen = decoder;
  if (readHeader(message).kind === RESTART) broken = false;
  if (broken) return;
  const begin = performance.now();
  const done = () => {
    const decode = performance.now() - begin;
    const { seq } = screen;
    const ack = packPainted(seq, decode);
    post({ type: "painted", ack, seq, size: message.length, decode, queued: queue.length });
  };
  const later = screen.feed(message);
  return later === undefined ? done() : later.then(done);
}

/** @param {Uint8Array} data @param {number} flags */
function take(data, flags) {
  if (flags & BEGIN) {
    frames = [];
    framesSize = 0;
  }
  frames.push(data);
  framesSize += data.length;
  if (framesSize > MAX_MESSAGE) {
    frames = [];
    framesSize = 0;
    failed(new ScreenError("message too long"));
    return;
  }
  if (!(flags & FIN)) return;
  const message = frames.length === 1 ? frames[0] : joined(frames, framesSize);
  frames = [];
  framesSize = 0;
  queue.push(() => paint(message));
  run();
}

/** @param {Uint8Array[]} parts @param {number} size */
function joined(parts, size) {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Uint8Array[]} messages @param {number} id */
async function replay(messages, id) {
  if (decoder === null) throw new Error("not initialised");
  for (const message of messages) await decoder.feed(message);
  broken = false;
  post({ type: "replayed", id });
}

/** @param {{id: number, x: number, y: number, width: number, height: number}} region */
function pixels({ id, x, y, width, height }) {
  const data = decoder?.context.getImageData(x, y, width, height).data;
  post({ type: "pixels", id, data });
}

self.addEventListener("message", (event) => {
  const message = /** @type {ToWorker} */ (/** @type {MessageEvent} */ (event).data);
  switch (message.type) {
    case "init": {
      const address = message.wasm ?? new URL("../vendor/zstddec.wasm", import.meta.url);
      // Until it is there, what arrives waits in the queue.
      busy = true;
      void loadZstd(address).then((zstd) => {
        decoder = new ScreenDecoder(zstd, message.canvas, listener);
        post({ type: "ready" });
        busy = false;
        run();
      });
      break;
    }
    case "data":
      take(message.data instanceof Uint8Array ? message.data : new Uint8Array(message.data), message.flags);
      break;
    case "replay":
      queue.push(() => replay(message.messages, message.id));
      run();
      break;
    case "reset":
      frames = [];
      framesSize = 0;
      queue.length = 0;
      broken = true;
      break;
    case "pixels":
      queue.push(() => pixels(message));
      run();
      break;
  }
});
