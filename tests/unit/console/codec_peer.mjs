// Runs a script of steps (JSON on stdin) against the browser's codec and prints what came of each.
import { readFileSync } from "node:fs";
import { Connection, FrameReader, ProtocolError, pack } from "../../../appliance/web/console/static/codec.js";

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (array) => Buffer.from(array).toString("hex");
const plain = (value) => JSON.parse(JSON.stringify(value, (_key, item) => (item instanceof Uint8Array ? hex(item) : item)));

const connection = new Connection();
const reader = new FrameReader();

const STEPS = {
  pack: ({ type, channel, payload, flags }) => hex(pack(type, channel, bytes(payload), flags)),
  read: ({ data }) => plain([...reader.feed(bytes(data))]),
  receive: ({ data }) => plain([...connection.receive(bytes(data))]),
  open: ({ name, session, after }) => connection.open(name, session, after),
  send: ({ channel, payload, flags }) => connection.send(channel, bytes(payload), flags),
  control: ({ message }) => connection.control(message),
  consumed: ({ channel, size }) => connection.consumed(channel, size),
  close: ({ channel }) => connection.close(channel),
  output: () => connection.dataToSend().map(hex).join(""),
  // A message of `size` bytes, whatever they are.
  sendZeros: ({ channel, size }) => connection.send(channel, new Uint8Array(size)),
};

const out = JSON.parse(readFileSync(0, "utf8")).map(({ do: step, ...args }) => {
  try {
    return STEPS[step](args) ?? null;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { error: error.code };
  }
});
console.log(JSON.stringify(out));
