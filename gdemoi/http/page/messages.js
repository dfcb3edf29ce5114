// Finding messages, and the story of one.
import { Refusal, ask, name, operates, remedy } from "./api.js";
import { $, button, confirm, el, facts, fill, folded, link, say, state, table } from "./dom.js";
import { bytes, hex, submitSm, userData } from "./octets.js";
import { clock, count, language, t } from "./words.js";

const STATES = ["accepted", "waiting", "submitted", "uncertain", "enroute", "delivered",
  "undelivered", "expired", "rejected", "cancelled"];
const FINAL = new Set(STATES.slice(5));
const PAGE = 50;
const FIELDS = ["to", "from", "text", "state", "channel"];
let cursor = null, wanted = null;

export const fault = (error) => (error ? `${error.code} ${error.text}` : "");
export const toStory = (id) => link(id, `#message/${name(id)}`);

export function prepare(channels) {
  const options = (id, words) => {
    const chosen = $(id).value;
    $(id).replaceChildren(...[["", t("any")], ...words].map(([value, text]) => {
      const one = el("option", "", text);
      one.value = value;
      return one;
    }));
    $(id).value = chosen;
  };
  options("find-state", STATES.map((word) => [word, t(word)]));
  options("find-channel", channels.map((one) => [one.name, one.name]));
  $("find-text").parentElement.hidden = !operates();
}
function row(one) {
  return [el("span", "nowrap", clock(one.accepted_at)), toStory(one.id), one.to, one.from ?? "",
    state(one.state), one.channel ?? "", count(one.segments.total), el("span", "bad", fault(one.error))];
}
const heads = () => ["at", "id", "to", "from", "state", "channel", "segments", "error"].map((one) => t(one));
async function next(anew) {
  const query = new URLSearchParams({ ...wanted, limit: PAGE, ...(cursor ? { cursor } : {}) });
  const page = await ask(`v1/messages?${query}`);
  cursor = page.cursor;
  const rows = page.messages.map(row);
  if (anew) fill("found", table(heads(), rows, t("messages")));
  else $("found").querySelector("tbody").append(
    ...table(heads(), rows, "").querySelectorAll("tbody tr"));
  const none = !$("found").querySelector("tbody tr");
  fill("found-more", none ? el("span", "dim", t("nothing")) : null,
    cursor ? button(t("more"), () => next(false).catch((error) => say(error.message, true))) : null);
}
export async function find() {
  const id = $("find-id").value.trim();
  if (id) { location.hash = `message/${name(id)}`; return; }
  wanted = {};
  for (const field of FIELDS) {
    const value = $(`find-${field}`).value.trim();
    if (value) wanted[field] = value;
  }
  for (const field of ["since", "until"]) {
    const value = $(`find-${field}`).value;
    if (value) wanted[field] = new Date(value).toISOString();
  }
  cursor = null;
  await next(true).catch((error) => say(error.message, true));
}

// -- the story ------------------------------------------------------------

const hexed = (octets) => el("code", "hex", hex(octets));
const meant = (rows) => table([t("hex"), t("field"), t("meaning")],
  rows.map(([octets, what, value]) => [hexed(octets), what, el("span", "pre", value)]), t("octets"));
export function segments(told, several) {
  return told.segments.map((one, i) => {
    const made = el("div", "segment",
      el("h4", "", `${t("segment")} ${i + 1} ${t("of")} ${told.segments.length}, ${count(one.units)} ${t("units")}`),
      meant(userData(bytes(one.user_data), told.charset, several || told.segments.length > 1)));
    for (const piece of one.wire) {
      const octets = /^([0-9a-f]{2})+$/.test(piece) ? bytes(piece) : null;
      const rows = octets && submitSm(octets);
      made.append(folded(rows ? "PDU" : t("out"), rows ? meant(rows) : el("pre", "", piece)));
    }
    return made;
  });
}
function attempts(told) {
  const heads = ["attempt", "channel", "at", "outcome", "segments", "providerids", "receipts", "error"];
  return table(heads.map((one) => t(one)), told.attempts.map((one) => [
    String(one.attempt), [one.channel, one.line].filter(Boolean).join("/"),
    clock(one.at) + (one.answered_at ? ` → ${clock(one.answered_at)}` : ""),
    one.outcome ? t(one.outcome) : "…", count(one.segments), el("span", "wrap", one.provider_ids.join(", ")),
    one.receipts.map((word) => (word ? t(word) : "…")).join(", "), el("span", "bad", fault(one.error))]),
  t("attempts"));
}
function receipts(told) {
  const heads = ["at", "channel", "providerids", "state", "counted", "error", "raw"];
  return table(heads.map((one) => t(one)), told.receipts.map((one) => [clock(one.at), one.channel,
    one.provider_id, state(one.state), t(one.counted ? "yes" : "no"), el("span", "bad", fault(one.error)),
    el("span", "wrap", one.raw)]), t("receipts"));
}
const part = (title, ...content) => el("section", "", el("h3", "", title), ...content);

async function octets(told) {
  if (!operates()) return null;
  const found = await ask(`v1/messages/${name(told.id)}/explain`);
  if (!found.segments.length) return null;
  const udh = told.message.udh ?? told.message.dest_port;
  return part(`${t("octets")} (${t("octetsnow")}; ${found.charset})`, ...segments(found, Boolean(udh)));
}
function cancel(told) {
  if (!operates() || FINAL.has(told.state)) return null;
  return button(t("cancel"), async () => {
    const details = { text: t("canceltext"), quote: told.id, yes: t("cancel") };
    if (!await confirm(t("surecancel"), details)) return;
    try { await ask(`v1/messages/${name(told.id)}`, { method: "DELETE" }); say(t("done")); }
    catch (error) { say(error.message, true); }
    await story(told.id);
  });
}
const DAY_S = 86400;
// What was told as an answer; else what the number has said since, for people to judge.
async function inbound(told) {
  if (told.answers?.length)
    return part(t("answers"), table([t("at"), t("state"), t("text"), ""], told.answers.map((one) =>
      [clock(one.at), state(one.state), el("span", "pre", one.text ?? ""),
        [one.answer?.pattern, one.late && t("late")].filter(Boolean).join(", ")]), t("answers")));
  const since = Date.parse(told.accepted_at) / 1000;
  const query = new URLSearchParams({ from: told.to, since, until: since + DAY_S });
  const found = (await ask(`v1/inbound?${query}`)).inbound;
  if (!found.length) return null;
  return part(t("saidsince"), table([t("at"), t("from"), t("text"), t("channel")], found.map((one) =>
    [clock(one.received_at ?? one.at), one.from ?? "", el("span", "pre", one.text ?? one.binary ?? ""),
      [one.channel, one.line].filter(Boolean).join("/")]), t("saidsince")));
}
export async function story(id) {
  let told;
  try { told = await ask(`v1/messages/${name(id)}`); } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    fill("told", el("p", "bad", error.message));
    return;
  }
  const message = told.message ?? {};
  const failed = (error) => el("p", "bad", error.message);
  const [help, answers, wire] = await Promise.all([told.error && remedy(told.error.code, language),
    inbound(told).catch(failed), octets(told).catch(failed)]);
  const findings = message.tracker?.findings ?? [];
  const events = (told.events ?? []).map((one) => [clock(one.at), state(one.state),
    [one.channel, one.line].filter(Boolean).join("/"),
    el("span", "wrap", [(one.provider_ids ?? []).join(", "), fault(one.error)].filter(Boolean).join(" "))]);
  const raw = el("pre", "", JSON.stringify(told, null, 2));
  fill("told",
    el("p", "lead", state(told.state), ` ${told.from ?? ""} → ${told.to} `,
      el("q", "pre", message.text ?? message.binary ?? "")),
    told.error ? el("p", "bad", fault(told.error)) : null,
    help ? el("p", "todo", el("b", "", `${t("whattodo")}: `), help) : null,
    facts([["id", told.id], [t("class"), t(told.class)], [t("account"), told.account],
      [t("channel"), told.channel], [t("acceptedat"), clock(told.accepted_at)],
      [t("expiresat"), clock(told.expires_at)], [t("due"), told.due && clock(told.due)],
      [t("tried"), told.tried?.join(", ")], [t("profile"), message.tracker?.profile],
      [t("text"), message.masked ? t("masked") : null],
      [t("segments"), told.segments && `${count(told.segments.submitted)} / ${count(told.segments.total)}, `
        + `${t("delivered")} ${count(told.segments.delivered)}`]]),
    el("p", "buttons", cancel(told), button(t("reload"), () => story(id))),
    findings.length ? part(t("findings"), el("ul", "", ...findings.map((one) =>
      el("li", "waiting", `${one.code}: ${one.text}`)))) : null,
    part(t("events"), table(["at", "state", "channel", ""].map((one) => one && t(one)), events, t("events"))),
    told.attempts?.length ? part(t("attempts"), attempts(told)) : null,
    told.receipts?.length ? part(t("receipts"), receipts(told)) : null,
    answers, wire, folded(t("everything"), raw));
}
