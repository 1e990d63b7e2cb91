/**
 * One live zstd stream, decompressed by zstddec's WebAssembly build. Its exports are called directly: its own
 * `decodeStreaming` waits for more input while output is still inside, which stalls a stream that pauses.
 *
 * @typedef {object} ZstdExports
 * @property {WebAssembly.Memory} memory
 * @property {(size: number) => number} malloc
 * @property {(at: number) => void} free
 * @property {() => number} ZSTD_createDCtx
 * @property {(context: number) => number} ZSTD_freeDCtx
 * @property {(context: number, output: number, input: number) => number} ZSTD_decompressStream
 */

/** Bytes of one message when decompressed; MAX_PLAIN of appliance/wire/screen.py. */
export const MAX_PLAIN = 4 * 1024 * 1024;
const MAX_WINDOW_LOG = 24;
/** A message is never much longer than what it holds. */
export const MAX_MESSAGE = MAX_PLAIN + 64 * 1024;

/** The peer sent what the format does not allow; the stream cannot go on. */
export class ScreenError extends Error {}

/** @param {string | URL} address of zstddec.wasm; @returns {Promise<ZstdExports>} */
export async function loadZstd(address) {
  const imports = { env: { emscripten_notify_memory_growth: () => {} } };
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`zstddec.wasm: ${answer.status}`);
  const { instance } = await WebAssembly.instantiate(await answer.arrayBuffer(), imports);
  return /** @type {ZstdExports} */ (/** @type {unknown} */ (instance.exports));
}

/** Holds one context and two buffers for its whole life, so that a hostile stream cannot make it grow. */
export class ZstdStream {
  /** @param {ZstdExports} zstd */
  constructor(zstd) {
    this.zstd = zstd;
    this.context = 0;
    this.input = zstd.malloc(MAX_MESSAGE);
    // One byte more than allowed tells a message that is too long.
    this.output = zstd.malloc(MAX_PLAIN + 1);
    this.pointers = zstd.malloc(24);
    this.fresh = false;
  }

  /** Forget everything: the next message begins a new stream. */
  restart() {
    if (this.context) this.zstd.ZSTD_freeDCtx(this.context);
    this.context = this.zstd.ZSTD_createDCtx();
    this.fresh = true;
  }

  /**
   * What one message holds, decompressed: a view that is good until the next call.
   * @param {Uint8Array} data @returns {Uint8Array}
   */
  decompress(data) {
    if (!this.context) throw new ScreenError("not started");
    if (data.length > MAX_MESSAGE) throw new ScreenError("message too long");
    if (this.fresh) checkFrameHeader(data);
    this.fresh = false;
    const { zstd, pointers } = this;
    new Uint8Array(zstd.memory.buffer).set(data, this.input);
    let view = new DataView(zstd.memory.buffer);
    /** @type {[number, number][]} */
    const fields = [
      [0, this.output], [4, MAX_PLAIN + 1], [8, 0], // ZSTD_outBuffer: dst, size, pos
      [12, this.input], [16, data.length], [20, 0], // ZSTD_inBuffer: src, size, pos
    ];
    for (const [at, value] of fields) view.setUint32(pointers + at, value, true);
    for (;;) {
      const before = view.getUint32(pointers + 8, true);
      const left = zstd.ZSTD_decompressStream(this.context, pointers, pointers + 12) >>> 0;
      view = new DataView(zstd.memory.buffer);
      const written = view.getUint32(pointers + 8, true);
      // Errors are small negative numbers; 0 is the end of the frame, which a stream never has.
      if (left > 0xffffff00 || left === 0) throw new ScreenError("damaged stream");
      if (written > MAX_PLAIN) throw new ScreenError("message too long");
      if (view.getUint32(pointers + 20, true) === data.length && written === before) break;
    }
    return new Uint8Array(zstd.memory.buffer, this.output, view.getUint32(pointers + 8, true));
  }

  close() {
    if (this.context) this.zstd.ZSTD_freeDCtx(this.context);
    this.context = 0;
    for (const at of [this.input, this.output, this.pointers]) this.zstd.free(at);
  }
}

/**
 * The window decides what the decoder allocates, and this build does not let us bound it: look at RFC 8878's frame header.
 * @param {Uint8Array} data
 */
function checkFrameHeader(data) {
  const magic = data.length >= 6 && data[0] === 0x28 && data[1] === 0xb5 && data[2] === 0x2f && data[3] === 0xfd;
  if (!magic || (data[4] & 0x20) !== 0) throw new ScreenError("not a stream");
  const log = 10 + (data[5] >> 3);
  if (log > MAX_WINDOW_LOG || (log === MAX_WINDOW_LOG && (data[5] & 7) !== 0)) throw new ScreenError("window too large");
}
