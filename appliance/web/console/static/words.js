/** The page's words: the part of the catalogue that came with it, and times as people read them. */

const source = document.getElementById("words");
/** @type {Record<string, string>} */
const messages = JSON.parse(source?.textContent || "{}");
export const language = document.documentElement.lang;

/** @typedef {Record<string, string | number>} Args */

/**
 * The message in words; `n` chooses between one and other.
 * @param {string} id @param {Args} [args] @returns {string}
 */
export function w(id, args = {}) {
  const text = messages[id] ?? messages[`${id}.${args.n === 1 ? "one" : "other"}`];
  if (text === undefined) return id;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in args ? String(args[name]) : whole));
}

/** @param {string} id @returns {boolean} */
export function has(id) {
  return id in messages || `${id}.other` in messages;
}

/** A `{id, args}` or refusal of the appliance in words. @param {{ id?: string, reason?: string, args?: Args }} text */
export function tell({ id, reason, args }) {
  const name = id ?? reason ?? "";
  const named = Object.fromEntries(
    Object.entries(args ?? {}).map(([key, value]) => {
      const known = `console.${key}.${value}`;
      return [key, has(known) ? w(known) : value];
    }),
  );
  return has(name) ? w(name, named) : w("console.unforeseen", { id: name });
}

const zone = source?.dataset.zone || undefined;
const formats = {
  full: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", timeZone: zone }),
  clock: new Intl.DateTimeFormat(language, { timeStyle: "short", timeZone: zone }),
  day: new Intl.DateTimeFormat(language, { dateStyle: "full", timeZone: zone }),
};

/** @param {number} at seconds since 1970 @param {keyof typeof formats} [format] in the site's zone */
export function absolute(at, format = "full") {
  return formats[format].format(at * 1000);
}

/** @param {number} at @param {number} now both in seconds since 1970 */
export function relative(at, now) {
  const apart = Math.abs(now - at);
  const direction = at <= now ? "ago" : "in";
  for (const [seconds, unit] of /** @type {[number, string][]} */ ([
    [86_400, "days"],
    [3_600, "hours"],
    [60, "minutes"],
  ])) {
    if (apart >= seconds) return w(`common.time.${direction}.${unit}`, { n: Math.floor(apart / seconds) });
  }
  return w(at <= now ? "common.time.now" : "common.time.soon");
}

/** `4:05` or `1:04:05`. @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  if (whole >= 3600) parts.unshift(Math.floor(whole / 3600));
  return parts.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}

/** A character of a key as it is said on the telephone. @param {string} character */
export function spelled(character) {
  const id = `console.spelling.${character}`;
  return has(id) ? w(id) : character;
}
