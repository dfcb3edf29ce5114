// The overview: the gateway, its alerts, and each channel with what ails it.
import { ask, me, name, operates, post } from "./api.js";
import {
  $, button, confirm, el, facts, fill, folded, link, refill, say, state, svg, table,
} from "./dom.js";
import { clock, count, language, span, t } from "./words.js";

const VERBS = { smpp: ["hurry"], goip: ["ussd", "balance", "reboot"], yeastar: ["ussd", "show", "reboot"] };
// the kinds that keep what passes
const TRACED = ["smpp"];
const BARS = 5;
const MOST_SIGNAL = 31;
// so many lines are shown unasked
const FEW = 5;
const unfolded = new Map();
const cards = new Map();

async function act(title, work, details) {
  const given = await confirm(title, details);
  if (given === null) return;
  try {
    const answer = await work(given);
    say(answer?.answer ? `${t("answered")}: ${answer.answer}` : t("done"));
    await refresh();
  } catch (error) { say(error.message, true); }
}
function turn(channel, verb) {
  const details = { text: t(`${verb}text`), quote: channel.name, yes: t(verb) };
  return button(t(verb), () => act(t(`sure${verb}`),
    () => post(`v1/channels/${name(channel.name)}/${verb}`), details));
}
function command(channel, line, verb) {
  const details = { quote: `${channel.name}/${line.name}`, yes: t(verb) };
  if (verb === "ussd") Object.assign(details, { field: t("code"), value: "*100#" });
  if (verb === "reboot") details.text = t("reboottext");
  return button(t(verb), () => act(t(`sure${verb}`), (given) => post(
    `v1/channels/${name(channel.name)}/lines/${name(line.name)}/${verb}`,
    verb === "ussd" ? [given] : undefined), details));
}

export function signal(value) {
  const lit = Math.ceil((Math.min(value, MOST_SIGNAL) / MOST_SIGNAL) * BARS);
  const made = svg("svg", { viewBox: "0 0 24 14", class: "signal", role: "img",
    "aria-label": t("signalof", value) });
  for (let i = 0; i < BARS; i++) made.append(svg("rect", { x: i * 5, y: 12 - (i + 1) * 2.4,
    width: 3.6, height: (i + 1) * 2.4 + 1, class: i < lit ? "lit" : "dark" }));
  return el("span", "nowrap", made, ` ${value}`);
}
export function plot(hour) {
  const sum = (counts) => counts.reduce((a, b) => a + b, 0);
  const most = Math.max(1, ...hour.sent.map((sent, i) => Math.max(sent, hour.failed[i])));
  const words = t("hoursays", count(sum(hour.sent)), count(sum(hour.delivered)),
    count(sum(hour.failed)), count(Math.max(...hour.sent)));
  const made = svg("svg", { viewBox: "0 0 240 36", class: "plot", role: "img",
    preserveAspectRatio: "none", "aria-label": words });
  made.append(svg("title", {}, words));
  const bar = (kind, i, value) => value && made.append(svg("rect", { x: i * 4,
    y: 35 - (value / most) * 34, width: 3, height: (value / most) * 34, class: kind }));
  hour.sent.forEach((value, i) => {
    bar("p-sent", i, value);
    bar("p-delivered", i, Math.min(hour.delivered[i], most));
    bar("p-failed", i, hour.failed[i]);
  });
  made.append(svg("line", { x1: 0, y1: 35.5, x2: 240, y2: 35.5, class: "axis" }));
  return made;
}
const todo = (words) => (words ? el("p", "todo", el("b", "", `${t("whattodo")}: `), words) : null);

function lineOf(channel, one, remedy) {
  const spent = one.daily_limit ? `${t("today")} ${count(one.sent_today)} / ${count(one.daily_limit)}` : null;
  const why = el("div", "", one.reason ? el("div", "", one.reason) : null, todo(remedy?.[language]),
    [one.host, one.round_trip_ms && `${Math.round(one.round_trip_ms)} ms`, spent,
      one.owner && `${t("owner")} ${one.owner}`].filter(Boolean).join(", "));
  const verbs = operates() ? (VERBS[channel.kind] ?? []).map((verb) => command(channel, one, verb)) : [];
  // a bind that is paused is not an operator's doing: it waits to be tried again
  const word = one.state === "paused" ? "waiting" : one.state;
  return el("li", "line", el("p", "buttons", el("b", "", one.name), state(word),
    typeof one.signal === "number" ? signal(one.signal) : null,
    ...[[one.number, one.operator].filter(Boolean).join(", "),
      one.balance && `${t("balance")} ${one.balance}`,
      one.sent !== undefined && `${t("sent")} ${count(one.sent)}`,
      one.received !== undefined && `${t("received")} ${count(one.received)}`]
      .filter(Boolean).map((words) => el("span", "", words))), why,
  verbs.length ? el("p", "buttons", ...verbs) : null);
}
function rate(channel, lately) {
  const limit = channel.rate ? `${count(channel.rate)}${t("persecond")}` : t("nolimit");
  const slowed = channel.present_rate != null && channel.present_rate !== channel.rate
    ? `${count(+channel.present_rate.toFixed(1))} ${t("of")} ` : "";
  return `${count(lately?.rate_now ?? 0)}${t("persecond")} (${slowed}${limit})`;
}
function card(channel, lately) {
  const remedies = lately?.remedies ?? [];
  const of = (subject) => remedies.find((one) => one.subject === subject);
  const own = [channel.reason, !channel.reason?.includes(channel.unable) && channel.unable]
    .filter(Boolean).join("; ");
  const last = lately?.last_error;
  const tries = (channel.refused_senders ?? []).map((one) => one.next_try_at).filter(Boolean);
  const next = channel.next_try_at ?? (tries.length ? Math.min(...tries) : null);
  const parts = [...(channel.binds ?? []), ...(channel.lines ?? [])];
  const rests = channel.unable || tries.length;
  const verbs = channel.paused ? ["resume"] : rests ? ["resume", "pause"] : ["pause"];
  const traced = operates() && TRACED.includes(channel.kind) ? link(t("trace"), `#trace/${name(channel.name)}`) : null;
  const today = lately && Object.entries(lately.today).map(([kind, value]) =>
    el("span", `c ${kind} ${value ? "" : "zero"}`, `${t(kind)} ${count(value)}`));
  const made = el("article", "card",
    el("header", "", el("h3", "", channel.name), el("span", "dim", channel.kind),
      state(channel.paused ? "paused" : channel.state)),
    own ? el("p", "why", own) : null, todo(of("")?.[language]),
    facts([
      [t("queue"), count(channel.backlog) + (lately?.oldest_s ? `, ${t("oldest")} ${span(lately.oldest_s)}` : "")],
      [t("inflight"), `${count(channel.in_flight ?? 0)} / ${channel.window ?? ""}`],
      [t("rate"), rate(channel, lately)],
      [t("balance"), channel.balance ?? null],
      [t("owner"), channel.owner ?? null],
      [t("due"), next ? clock(next) : null],
    ]),
    today ? el("p", "today", el("b", "", `${t("today")} `), ...today) : null,
    lately ? el("figure", "", plot(lately.hour), el("figcaption", "dim", t("hour"))) : null,
    last ? el("div", "last", el("p", "", el("b", "", `${t("lasterror")} `),
      `${clock(last.at)}: ${last.code} ${last.text}`), todo(last.remedy?.[language])) : null,
    parts.length ? lines(channel, parts, of) : null,
    el("p", "buttons", ...(operates() ? verbs.map((verb) => turn(channel, verb)) : []), traced));
  made.id = `channel-${channel.name}`;
  return made;
}
function lines(channel, parts, of) {
  const made = folded(`${t("lines")}: ${parts.filter((one) => one.state === "up").length} / ${parts.length}`,
    el("ul", "lines", ...parts.map((one) => lineOf(channel, one, of(one.name)))));
  made.open = unfolded.get(channel.name)
    ?? (parts.length < FEW || parts.some((one) => one.state !== "up"));
  made.ontoggle = () => unfolded.set(channel.name, made.open);
  return made;
}

// What a person has unfolded stays so.
function stay(id, made) {
  if (made) made.open = $(id).firstChild?.open ?? false;
  refill(id, ...(made ? [made] : []));
}
function head(whole) {
  refill("ready", el("span", whole.status === "ready" ? "c up" : "c down",
    t(whole.status) + (whole.reason ? `: ${whole.reason}` : "")));
  $("name").textContent = whole.name;
  document.title = whole.name;
  $("role").hidden = whole.role !== "viewer";
  me.role = whole.role;
  me.send = whole.page_send && whole.role === "operator";
  for (const one of document.querySelectorAll("[data-needs=send]")) one.hidden = !me.send;
  for (const one of document.querySelectorAll("[data-needs=operate]")) one.hidden = !operates();
  const counts = Object.entries(whole.messages ?? {}).filter(([, value]) => value)
    .map(([key, value]) => el("span", `c ${key}`, `${count(value)} ${t(key)}`));
  if (whole.receipts_unmatched)
    counts.push(el("span", "c uncertain", `${count(whole.receipts_unmatched)} ${t("unmatched")}`));
  if (whole.lost) counts.push(el("span", "c down", `${t("lost")}: ${whole.lost}`));
  refill("counts", ...counts);
  const alerts = (whole.alerts ?? []).map((one) => el("li", "",
    el("b", "", one.name), ` ${one.text} `, el("span", "dim", `${t("since")} ${clock(one.since)}`)));
  refill("alertlist", ...alerts);
  $("alerts").hidden = !alerts.length;
  const doors = (whole.doors ?? []).map((one) => [el("span", "name", one.name), one.kind,
    String(one.sessions?.length ?? one.bound ?? ""), String(one.submitted ?? one.taken ?? "")]);
  const gateways = (whole.gateways ?? []).map((one) => [el("span", "name", one.name), state(one.state),
    (one.owns ?? []).join(", ")]);
  stay("gateways", gateways.length ? folded(t("gateways"),
    table([t("gateways"), t("state"), t("channel")], gateways, t("gateways"))) : null);
  stay("doors", doors.length ? folded(t("doors"), table([t("doors"), "", "", ""], doors, t("doors"))) : null);
}

// Redraws only cards that have changed, and gives the focus back: neither keyboard nor
// screen reader is to lose its place every three seconds.
const FOCUSABLE = "button, a, summary, [tabindex]";
function redraw(channels, by) {
  const nodes = channels.map((one) => {
    const lately = by.get(one.name);
    const told = JSON.stringify([language, me, one, lately]);
    const before = cards.get(one.name);
    if (before?.told === told) return before.node;
    const place = before ? [...before.node.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement) : -1;
    const node = card(one, lately);
    cards.set(one.name, { told, node });
    before?.node.replaceWith(node);
    if (place >= 0) node.querySelectorAll(FOCUSABLE)[place]?.focus();
    return node;
  });
  const there = [...$("channels").children];
  if (nodes.length !== there.length || nodes.some((node, i) => node !== there[i]))
    fill("channels", ...nodes, nodes.length ? null : el("p", "dim", t("nochannels")));
}
export async function refresh() {
  const [whole, found, lately] = await Promise.all(
    [ask("v1/status"), ask("v1/channels"), ask("v1/overview")]);
  head(whole);
  redraw(found.channels, new Map(lately.channels.map((one) => [one.name, one])));
  return found.channels;
}
