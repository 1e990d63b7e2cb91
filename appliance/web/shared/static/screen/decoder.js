/**
 * The screen channel's decoder; the format is appliance/wire/screen.py's. Paints on a canvas as it reads and reports
 * everything that is not picture. A message without JPEG is painted before `feed` returns.
 *
 * @typedef {{name: string, x: number, y: number, width: number, height: number, primary: boolean}} Monitor
 * @typedef {object} Listener
 * @property {(geometry: {width: number, height: number, monitors: Monitor[]}) => void} geometry
 * @property {(cursor: {hotX: number, hotY: number, width: number, height: number, pixels: Uint8ClampedArray}) => void} cursor
 *   RGBA, not premultiplied; without width and height: none is shown
 * @property {(x: number, y: number) => void} pointer
 * @property {(quarters: number, delay: number) => void} rate
 *
 * @typedef {{kind: number, seq: number | null, size: number}} Header `size`: bytes before the data; only a RESTART says its number
 */

import { ScreenError, ZstdStream } from "./zstd.js";

export const RESTART = 1;
export const UPDATE = 2;
const MAX_SIDE = 16384;
const MAX_PIXELS = 2 ** 25;
const MAX_CURSOR = 256;
const MAX_MONITORS = 32;
const OP = { GEOMETRY: 1, PIXELS: 2, FILL: 3, COPY: 4, PALETTE: 5, JPEG: 6, CURSOR: 7, POINTER: 8, RATE: 9 };

/** @param {Uint8Array} message @returns {Header} */
export function readHeader(message) {
  const kind = message[0];
  if (message.length < (kind === RESTART ? 5 : 1)) throw new ScreenError("message too short");
  if (kind !== RESTART) return { kind, seq: null, size: 1 };
  return { kind, seq: new DataView(message.buffer, message.byteOffset).getUint32(1), size: 5 };
}

/** The acknowledgement to send back. @param {number} seq @param {number} decode ms @returns {Uint8Array<ArrayBuffer>} */
export function packPainted(seq, decode) {
  const out = new Uint8Array(7);
  const view = new DataView(out.buffer);
  view.setUint8(0, 1);
  view.setUint32(1, seq);
  view.setUint16(5, Math.min(0xffff, Math.round(decode * 100)));
  return out;
}

/** Pixels of the wire (B G R X) become the canvas's in place. @param {Uint32Array} pixels */
function swap(pixels) {
  for (let at = 0; at < pixels.length; at += 1) {
    const value = pixels[at];
    pixels[at] = 0xff000000 | (value & 0xff00) | ((value >>> 16) & 0xff) | ((value & 0xff) << 16);
  }
}

export class ScreenDecoder {
  /**
   * @param {import("./zstd.js").ZstdExports} zstd
   * @param {OffscreenCanvas} canvas
   * @param {Listener} listener
   */
  constructor(zstd, canvas, listener) {
    this.stream = new ZstdStream(zstd);
    this.canvas = canvas;
    this.listener = listener;
    const context = canvas.getContext("2d", { alpha: false });
    if (context === null) throw new Error("no 2d canvas");
    this.context = context;
    this.started = false;
    /** The number of the message that was fed last. */
    this.seq = 0;
    this.scratch = new Uint32Array(64 * 1024);
  }

  /**
   * Paint one whole message. Throws (or rejects with) ScreenError; then only a RESTART can follow.
   * @param {Uint8Array} message
   * @returns {Promise<void> | void} a promise when an image has to be decoded first: feed nothing before it is done
   */
  feed(message) {
    const { kind, seq, size } = readHeader(message);
    if (kind !== RESTART && kind !== UPDATE) return;
    if (kind === RESTART) this.stream.restart();
    else if (!this.started) throw new ScreenError("not started");
    this.started = false;
    this.seq = seq ?? (this.seq + 1) >>> 0;
    const plain = this.stream.decompress(message.subarray(size));
    const reader = new Reader(plain);
    if (kind === RESTART) this.readGeometry(reader);
    const later = this.paint(reader);
    if (later === undefined) this.started = true;
    else return later.then(() => void (this.started = true));
  }

  /** @param {Reader} reader @returns {Promise<void> | void} */
  paint(reader) {
    while (reader.at < reader.end) {
      const op = reader.u8();
      switch (op) {
        case OP.PIXELS: {
          const place = this.rect(reader);
          this.put(place, this.pixels(reader, place));
          break;
        }
        case OP.FILL: {
          const place = this.rect(reader);
          const [blue, green, red] = reader.bytes(4);
          this.context.fillStyle = `rgb(${red},${green},${blue})`;
          this.context.fillRect(place.x, place.y, place.w, place.h);
          break;
        }
        case OP.COPY: {
          const place = this.rect(reader);
          const from = this.inside(reader.u16(), reader.u16(), place.w, place.h);
          this.context.drawImage(this.canvas, from.x, from.y, from.w, from.h, place.x, place.y, place.w, place.h);
          break;
        }
        case OP.PALETTE:
          this.palette(reader);
          break;
        case OP.JPEG: {
          const place = this.rect(reader);
          const image = reader.bytes(reader.u32());
          return this.jpeg(place, image).then(() => this.paint(reader));
        }
        case OP.CURSOR:
          this.cursor(reader);
          break;
        case OP.POINTER: {
          const x = reader.u16();
          const y = reader.u16();
          this.listener.pointer(x, y);
          break;
        }
        case OP.RATE: {
          const quarters = reader.u8();
          const delay = reader.u16();
          if (quarters < 1 || quarters > 4) throw new ScreenError("rate");
          this.listener.rate(quarters, delay);
          break;
        }
        default:
          throw new ScreenError(`operation ${op}`);
      }
    }
  }

  /** @param {Reader} reader */
  readGeometry(reader) {
    if (reader.u8() !== OP.GEOMETRY) throw new ScreenError("no geometry");
    const width = reader.u16();
    const height = reader.u16();
    const count = reader.u8();
    if (!width || !height || width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS || count > MAX_MONITORS) {
      throw new ScreenError("geometry");
    }
    const monitors = [];
    for (let index = 0; index < count; index += 1) {
      const [x, y, w, h] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
      const primary = reader.u8() !== 0;
      const name = new TextDecoder().decode(reader.bytes(reader.u8()).slice());
      monitors.push({ name, x, y, width: w, height: h, primary });
    }
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.listener.geometry({ width, height, monitors });
  }

  /** @param {Reader} reader */
  rect(reader) {
    return this.inside(reader.u16(), reader.u16(), reader.u16(), reader.u16());
  }

  /** @param {number} x @param {number} y @param {number} w @param {number} h */
  inside(x, y, w, h) {
    if (!w || !h || x + w > this.canvas.width || y + h > this.canvas.height) throw new ScreenError("past the picture");
    return { x, y, w, h };
  }

  /** Pixels in the scratch buffer. @param {Reader} reader @param {{w: number, h: number}} place */
  pixels(reader, place) {
    const size = place.w * place.h;
    const data = reader.bytes(size * 4);
    const pixels = this.room(size);
    new Uint8Array(pixels.buffer, 0, size * 4).set(data);
    swap(pixels);
    return pixels;
  }

  /** @param {Reader} reader */
  palette(reader) {
    const place = this.rect(reader);
    const bits = reader.u8();
    const count = reader.u8() + 1;
    if (![1, 2, 4, 8].includes(bits) || count > 1 << bits) throw new ScreenError("palette");
    const colours = new Uint32Array(count);
    new Uint8Array(colours.buffer).set(reader.bytes(count * 4));
    swap(colours);
    const size = place.w * place.h;
    const packed = reader.bytes((size * bits + 7) >> 3);
    const pixels = this.room(size);
    const mask = (1 << bits) - 1;
    let shift = 8;
    let byte = 0;
    for (let at = 0, from = 0; at < size; at += 1) {
      if (shift === 8) byte = packed[from++];
      shift -= bits;
      const index = (byte >> shift) & mask;
      if (index >= count) throw new ScreenError("palette");
      pixels[at] = colours[index];
      if (shift === 0) shift = 8;
    }
    this.put(place, pixels);
  }

  /** @param {number} size @returns {Uint32Array<ArrayBuffer>} exactly that many pixels of the scratch buffer */
  room(size) {
    if (this.scratch.length < size) this.scratch = new Uint32Array(size);
    return this.scratch.subarray(0, size);
  }

  /** @param {{x: number, y: number, w: number, h: number}} place @param {Uint32Array<ArrayBuffer>} pixels */
  put(place, pixels) {
    const data = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length * 4);
    this.context.putImageData(new ImageData(data, place.w, place.h), place.x, place.y);
  }

  /** @param {{x: number, y: number, w: number, h: number}} place @param {Uint8Array} data */
  async jpeg(place, data) {
    const size = jpegSize(data);
    if (size === null || size.width !== place.w || size.height !== place.h) throw new ScreenError("image");
    const blob = new Blob([data.slice()], { type: "image/jpeg" });
    let bitmap;
    try {
      bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    } catch {
      throw new ScreenError("image");
    }
    this.context.drawImage(bitmap, place.x, place.y);
    bitmap.close();
  }

  /** @param {Reader} reader */
  cursor(reader) {
    const [hotX, hotY, width, height] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
    if (width > MAX_CURSOR || height > MAX_CURSOR) throw new ScreenError("cursor");
    const data = reader.bytes(width * height * 4);
    const pixels = new Uint8ClampedArray(data.length);
    for (let at = 0; at < data.length; at += 4) {
      const alpha = data[at + 3];
      if (alpha === 0) continue;
      pixels[at] = (data[at + 2] * 255) / alpha;
      pixels[at + 1] = (data[at + 1] * 255) / alpha;
      pixels[at + 2] = (data[at] * 255) / alpha;
      pixels[at + 3] = alpha;
    }
    this.listener.cursor({ hotX, hotY, width, height, pixels });
  }

  close() {
    this.stream.close();
  }
}

/** Reads numbers and bytes of one decompressed message; past its end is a ScreenError. */
class Reader {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.at = 0;
    this.end = data.length;
  }

  /** @param {number} size */
  skip(size) {
    const at = this.at;
    if (at + size > this.end) throw new ScreenError("past the message");
    this.at += size;
    return at;
  }

  u8() {
    return this.view.getUint8(this.skip(1));
  }

  u16() {
    return this.view.getUint16(this.skip(2));
  }

  u32() {
    return this.view.getUint32(this.skip(4));
  }

  /** @param {number} size */
  bytes(size) {
    const at = this.skip(size);
    return this.data.subarray(at, at + size);
  }
}

/**
 * Width and height as the image's own header says them, so that a small image cannot become a huge bitmap.
 * @param {Uint8Array} data
 */
function jpegSize(data) {
  if (data[0] !== 0xff || data[1] !== 0xd8) return null;
  for (let at = 2; at + 9 < data.length; ) {
    if (data[at] !== 0xff) return null;
    const marker = data[at + 1];
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame) return { height: data[at + 5] * 256 + data[at + 6], width: data[at + 7] * 256 + data[at + 8] };
    at += 2 + data[at + 2] * 256 + data[at + 3];
  }
  return null;
}
