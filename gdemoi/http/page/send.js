// The form that sends: what would leave is shown before it does.
import { Refusal, ask, me, post, remedy } from "./api.js";
import { $, confirm, el, facts, fill, folded, say } from "./dom.js";
import { segments, toStory } from "./messages.js";
import { count, language, t } from "./words.js";

const PAUSE_MS = 250;
const CHARSETS = ["auto", "gsm7", "gsm8", "latin1", "ucs2"];
const CLASSES = ["notification", "command", "activation"];
let timer = null, asked = 0, id = null;

// Kept until the gateway has answered: a message that may have been taken is posted
// again under the same id, and so leaves once.
function fresh() {
  const random = crypto.getRandomValues(new Uint8Array(8));
  return "page-" + Array.from(random, (one) => one.toString(16).padStart(2, "0")).join("");
}
export function prepare() {
  const options = (where, words) => {
    const chosen = $(where).value;
    $(where).replaceChildren(...words.map((word) => {
      const one = el("option", "", t(word));
      one.value = word;
      return one;
    }));
    $(where).value = chosen || words[0];
  };
  options("send-class", CLASSES);
  options("send-charset", CHARSETS);
}
function message() {
  const made = { to: $("send-to").value.trim(), text: $("send-text").value, class: $("send-class").value };
  const from = $("send-from").value.trim();
  if (from) made.from = from;
  if ($("send-charset").value !== "auto") made.charset = $("send-charset").value;
  return made;
}
export function typed() {
  id = null;
  clearTimeout(timer);
  timer = setTimeout(explain, PAUSE_MS);
}
async function problem(error) {
  const words = error.code ? await remedy(error.code, language) : "";
  return el("div", "", el("p", "bad", `${error.code ?? ""} ${error.text ?? error.message}`),
    words ? el("p", "todo", el("b", "", `${t("whattodo")}: `), words) : null);
}
export async function explain() {
  const one = message(), mine = ++asked;
  if (!me.send || !one.to || !one.text) { fill("explained"); return; }
  let told = null, wrong = null;
  try {
    told = await ask("v1/explain", { method: "POST", body: JSON.stringify(one) });
    if (told.error) wrong = await problem(told.error);
  } catch (error) { wrong = await problem(error); }
  // a later one was asked meanwhile
  if (mine !== asked) return;
  if (told === null) { fill("explained", wrong); return; }
  const ways = told.channels.map((way) => el("li", way.able ? "up" : "down",
    way.name + (way.why ? `: ${way.why}` : "")));
  const found = told.tracker?.findings ?? [];
  fill("explained", wrong, facts([
    [t("to"), [told.to, told.country].filter(Boolean).join(", ")], [t("route"), told.route],
    [t("sender"), told.sender], [t("charset"), told.charset],
    ["data_coding", told.data_coding === null ? null : String(told.data_coding)],
    [t("segments"), told.segments.length ? `${count(told.segments.length)} (${told.segments.map((s) => s.units).join(" + ")} ${t("units")})` : null],
    [t("transliterated"), told.transliterated], [t("profile"), told.tracker?.profile]]),
  el("ul", "ways", ...ways),
  found.length ? el("ul", "", ...found.map((f) => el("li", "waiting", `${f.code}: ${f.text}`))) : null,
  told.segments.length ? folded("PDU", ...segments(told, false)) : null);
}
export async function send(event) {
  event.preventDefault();
  const one = message();
  if (one.class !== "notification") {
    const details = { text: t("sendtext"), quote: `${one.to}\n${one.text}`, yes: t("sendit") };
    if (!await confirm(t("suresend"), details)) return;
  }
  id ??= fresh();
  $("send-button").disabled = true;
  try {
    const answer = await post("v1/messages", { id, ...one });
    say(el("span", "", `${t(answer.state === "duplicate" ? "duplicate" : "taken")}: `, toStory(answer.id)));
    id = null;
    $("send-text").value = "";
    fill("explained");
  } catch (error) {
    if (error instanceof Refusal && error.status < 500) { id = null; say(error.message, true); }
    else say(error instanceof Refusal ? error.message : t("unknownfate"), true);
  } finally { $("send-button").disabled = false; }
}
