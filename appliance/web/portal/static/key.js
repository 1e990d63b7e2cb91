// The key field: groups what is typed, and explains at once a character that is in no key. Without this script the
// form does the same on the server.

const LOOK_ALIKES = "0O1IL";
const field = /** @type {HTMLInputElement} */ (document.getElementById("key"));
const error = /** @type {HTMLElement} */ (document.getElementById("key-error"));
const errorText = /** @type {HTMLElement} */ (error.querySelector("span"));
const explanation = field.dataset.lookAlikes ?? "";

/** @param {string} text */
function bare(text) {
  return text.replace(/[\s\-_.\u2010-\u2014\u2212]/g, "").toUpperCase();
}

/** In the groups in which it is shown to the technician: threes first, then fours (`appliance.domain.keys.display`).
 * @param {string} key */
function grouped(key) {
  const length = Number(field.dataset.length);
  const groups = Math.ceil(length / 4);
  const threes = groups * 4 - length;
  const parts = [];
  for (let group = 0, at = 0; at < key.length; group++) {
    const size = group < threes ? 3 : group < groups ? 4 : key.length;
    parts.push(key.slice(at, at + size));
    at += size;
  }
  return parts.join("-");
}

/** @param {string} text */
function explain(text) {
  const seen = [...LOOK_ALIKES].filter((character) => bare(text).includes(character));
  if (seen.length) {
    const message = explanation.replace("@", seen.join(" "));
    if (errorText.textContent !== message) errorText.textContent = message;
  }
  error.hidden = !seen.length;
  error.setAttribute("role", "alert");
  field.toggleAttribute("aria-invalid", seen.length > 0);
  field.closest(".field")?.classList.toggle("wrong", seen.length > 0);
}

field.addEventListener("input", (event) => {
  explain(field.value);
  // Only what is appended is grouped: a cursor in the middle of the text stays where it is.
  if (event instanceof InputEvent && event.isComposing) return;
  if (field.selectionStart !== field.value.length) return;
  const key = bare(field.value);
  if (/^[A-Z0-9]*$/.test(key)) field.value = grouped(key);
});
