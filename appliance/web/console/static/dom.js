/** Elements without a framework: made, never parsed from text, so that nothing a customer sends becomes markup. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element. Properties beginning with `on` are listeners, `class` is the class name, the rest attributes (`true`:
 * present, `false` and null: absent).
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any> | null} [properties] @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...kept(children));
  return element;
}

/** @param {(Child | Child[])[]} children @returns {(Node | string)[]} */
function kept(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** Replace what is inside. @param {Element} parent @param {...(Child | Child[])} children */
export function fill(parent, ...children) {
  parent.replaceChildren(...kept(children));
}

/** An icon of the shared set; with a label it is read out. @param {string} name @param {string} [label] */
export function icon(name, label = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * A button with an icon; without `text` its label is a tooltip and read out.
 * @param {{ icon?: string, text?: string, label?: string, class?: string, press: (event: Event) => void } & Record<string, any>} options
 */
export function button({ icon: name, text, label, class: style = "button", press, ...rest }) {
  return h(
    "button",
    { type: "button", class: style, "aria-label": text ? null : label, title: label ?? null, onclick: press, ...rest },
    name ? icon(name) : null,
    text ? h("span", null, text) : null,
  );
}

/** The element with this id. @template {Element} [T=HTMLElement] @param {string} id @returns {T} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`#${id}`);
  return /** @type {T} */ (/** @type {unknown} */ (element));
}

/**
 * A menu that opens below its button and closes by Escape, by a choice and by a press elsewhere.
 * @param {{ icon?: string, text?: string, label: string, class?: string }} options @param {...(Child | Child[])} content
 */
export function menu({ icon: name, text, label, class: style = "tool" }, ...content) {
  const summary = h(
    "summary",
    { class: style, title: label, "aria-label": text ? null : label },
    name ? icon(name) : null,
    text ? h("span", null, text) : null,
  );
  const details = h("details", { class: "drop" }, summary, h("div", { class: "drop-panel" }, ...content));
  wireMenu(details);
  return details;
}

/** Give a `<details class="drop">` a menu's behaviour. @param {HTMLDetailsElement} details */
export function wireMenu(details) {
  const summary = /** @type {HTMLElement} */ (details.querySelector("summary"));
  details.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && details.open) {
      event.stopPropagation();
      details.open = false;
      summary.focus();
    }
  });
  // Before the button does its work, which may be to draw the menu anew without it.
  const chosen = (/** @type {Event} */ event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.closest(".drop-panel button:not([data-stays])")) details.open = false;
  };
  details.addEventListener("click", chosen, { capture: true });
  document.addEventListener("pointerdown", (event) => {
    if (details.open && !details.contains(/** @type {Node} */ (event.target))) details.open = false;
  });
}

/** Tell a screen reader politely, once. @param {string} text */
export function announce(text) {
  const live = byId("live");
  live.append(h("p", null, text));
  while (live.childElementCount > 5) live.firstElementChild?.remove();
}

/** A short message at the window's foot, which goes by itself. @param {string} text @param {"info" | "error"} [kind] */
export function toast(text, kind = "info") {
  const item = h("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status" }, text);
  byId("toasts").append(item);
  setTimeout(() => item.remove(), kind === "error" ? 9000 : 4000);
}

/** @template T @typedef {{ element: HTMLElement, update: (item: T) => void }} Row */

/** @type {WeakMap<Element, Map<string, Row<any>>>} */
const rows = new WeakMap();

/**
 * Make `parent` show `items` in their order; a row lives as long as its key, so that focus and open menus stay.
 * @template T
 * @param {Element} parent @param {T[]} items @param {(item: T) => string} key @param {(item: T) => Row<T>} make
 */
export function keyed(parent, items, key, make) {
  const before = rows.get(parent) ?? new Map();
  /** @type {Map<string, Row<T>>} */
  const after = new Map();
  for (const item of items) {
    const row = before.get(key(item)) ?? make(item);
    row.update(item);
    after.set(key(item), row);
  }
  for (const [id, row] of before) if (!after.has(id)) row.element.remove();
  let place = parent.firstElementChild;
  for (const { element } of after.values()) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  rows.set(parent, after);
}

/** Set an element's text where it differs, so that a screen reader hears of changes only. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
