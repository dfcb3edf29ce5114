// Elements of the page.  Everything is text: nothing that came over the air, or from
// the API, becomes markup.
import { t } from "./words.js";

export const $ = (id) => document.getElementById(id);
const SVG = "http:" + String.fromCharCode(47, 47) + "www.w3.org/2000/svg";

// el("td", "n", "text", node, …): a tag with a class and its content.
export function el(tag, style, ...content) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  made.append(...content.filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}
export function svg(tag, attributes, ...content) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}
export const fill = (id, ...content) => $(id).replaceChildren(...content.filter(Boolean));
// The same words are left as they are: a screen reader would read them out again.
export function refill(id, ...content) {
  const there = [...$(id).childNodes];
  const same = there.length === content.length && there.every((one, i) => one.isEqualNode(content[i]));
  if (!same) $(id).replaceChildren(...content);
}
export function button(words, act, style) {
  const made = el("button", style, words);
  made.type = "button";
  made.onclick = act;
  return made;
}
export const state = (word) => el("span", `s ${word}`, t(word));
export function link(words, to) {
  const made = el("a", "", words);
  made.href = to;
  return made;
}
// name → value, without what is empty
export function facts(pairs) {
  const made = el("dl", "facts");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    made.append(el("div", "", el("dt", "", name), el("dd", "", value)));
  }
  return made;
}
export function table(heads, rows, caption) {
  const body = el("tbody", "", ...rows.map((cells) => el("tr", "", ...cells.map((cell, i) => {
    const td = cell instanceof HTMLTableCellElement ? cell : el("td", "", cell ?? "");
    td.dataset.name = heads[i];
    return td;
  }))));
  const head = el("thead", "", el("tr", "", ...heads.map((word) => {
    const th = el("th", "", word);
    th.scope = "col";
    return th;
  })));
  const made = el("table", "", caption ? el("caption", "", caption) : null, head, body);
  const scroll = el("div", "scroll", made);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", caption ?? heads[0]);
  return scroll;
}
export function folded(words, ...content) {
  return el("details", "", el("summary", "", words), ...content);
}

// Asks before something is done; fires with what was typed (or true), or null.
export function confirm(title, { text, quote, field, value = "", yes } = {}) {
  const dialog = $("dialog");
  const input = el("input");
  if (field) {
    input.value = value;
    input.setAttribute("aria-label", field);
    input.required = true;
  }
  const form = el("form", "", el("h2", "", title), text ? el("p", "", text) : null,
    quote ? el("pre", "quote", quote) : null,
    field ? el("label", "", field, input) : null);
  form.method = "dialog";
  const sure = el("button", "main", yes ?? t("yes"));
  sure.value = "yes";
  const no = button(t("no"), () => dialog.close("no"));
  form.append(el("p", "buttons", sure, no));
  dialog.replaceChildren(form);
  dialog.setAttribute("aria-label", title);
  dialog.returnValue = "no";
  dialog.showModal();
  (field ? input : no).focus();
  return new Promise((done) => {
    dialog.onclose = () => done(dialog.returnValue !== "yes" ? null : field ? input.value : true);
  });
}
export function say(words, bad = false) {
  const made = el("p", bad ? "said bad" : "said", words);
  fill("said", made);
}
