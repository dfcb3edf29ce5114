// The status page: shows what the API tells, and asks it nothing else.
"use strict";
const $ = (id) => document.getElementById(id);
const word = sessionStorage;
const SHOWN = 100;
const FIRST = 25;
const HOURS = { hourCycle: "h23" };
let last = null;

function headers(more) {
  const token = word.getItem("token");
  return token ? { authorization: "Bearer " + token, ...more } : { ...more };
}
async function open(path, options, more) {
  const answer = await fetch(path, { ...options, headers: headers(more) });
  if (answer.status === 401) { login(); throw new Error("token"); }
  return answer;
}
const ask = async (path, options) => (await open(path, options)).json();
function login() {
  // two requests may be refused at once: the first tells it
  if (word.getItem("token")) $("wrong").hidden = false;
  word.removeItem("token");
  $("ready").textContent = ""; $("ready").className = "dim";
  $("login").hidden = false; $("main").hidden = true; $("token").focus();
}

// Everything is text: nothing that came over the air becomes markup.
function put(tag, text, style) {
  const made = document.createElement(tag);
  made.textContent = text ?? "";
  if (style) made.className = style;
  return made;
}
function row(...cells) {
  const tr = document.createElement("tr");
  for (const cell of cells) {
    if (cell instanceof Node) {
      const td = put("td", "", cell.className === "b" ? "b" : "wide");
      td.append(cell);
      tr.append(td);
    } else if (cell && typeof cell === "object") {
      const td = put("td", cell.text, cell.style);
      if (cell.title && cell.text !== "") td.title = cell.title;
      tr.append(td);
    } else tr.append(put("td", cell));
  }
  return tr;
}
const n = (text, title) => ({ text, title, style: "n" });
const name = (text) => ({ text, style: "name" });
const state = (text) => ({ text, style: `s ${text}` });
const dim = (text) => ({ text, style: "dim wide" });
const list = (...words) => words.filter(Boolean).join("  ");
const fault = (error) => (error ? `${error.code} ${error.text}` : "");
function clock(at) {
  const time = at ? new Date(at) : null;
  const today = time && time.toDateString() === new Date().toDateString();
  return { text: !time ? "" : today ? time.toLocaleTimeString([], HOURS)
      : time.toLocaleString([], HOURS),
    style: "n dim" };
}

function channel(one) {
  const buttons = put("span", "", "b");
  // what is left alone for a while can be tried at once
  const rests = one.unable || one.refused_senders?.length;
  const verbs = one.paused ? ["resume"] : rests ? ["resume", "pause"] : ["pause"];
  for (const verb of verbs) {
    const button = put("button", verb);
    button.onclick = async () => {
      await ask(`v1/channels/${encodeURIComponent(one.name)}/${verb}`, { method: "POST" });
      channels();
    };
    buttons.append(button, " ");
  }
  const slowed = one.present_rate != null && one.present_rate !== one.rate;
  const rate = one.rate ? `${one.rate}/s` : "";
  const tries = (one.refused_senders ?? []).map((it) => it.next_try_at).filter(Boolean);
  const next = one.next_try_at ?? (tries.length ? Math.min(...tries) : null);
  const notes = [one.reason, !one.reason?.includes(one.unable) && one.unable,
    one.balance != null && `balance ${one.balance}`,
    next && measure("next_try_at", next)].filter(Boolean).join(", ");
  return row(name(one.name), { text: one.kind, style: "roomy" },
    state(one.paused ? "paused" : one.state),
    n(one.backlog, "backlog"), n(`${one.in_flight ?? 0} / ${one.window ?? ""}`, "in flight"),
    n(slowed ? `${+one.present_rate.toFixed(1)} of ${rate || "∞"}` : rate, "rate"),
    n(one.sent, "sent"),
    dim(notes), buttons);
}

// What matters of a line is shown, the rest on request.
const MAIN = ["number", "operator", "signal", "registration", "balance", "sent", "received",
  "host", "smsc", "version", "round_trip_ms", "unanswered", "next_try_at"];
const HIDDEN = ["name", "state", "reason"];
function measure(key, value) {
  const spoken = key.replaceAll("_", " ");
  if (typeof value !== "number") return `${spoken} ${value}`;
  if (key.endsWith("_at")) return `${spoken} ${new Date(value * 1000).toLocaleTimeString([], HOURS)}`;
  const unit = /_(ms|s)$/.exec(key);
  const rounded = +value.toFixed(1);
  return unit ? `${spoken.slice(0, -unit[0].length)} ${rounded} ${unit[1]}`
    : `${spoken} ${rounded}`;
}
function pairs(one) {
  return Object.entries(one).flatMap(([key, value]) =>
    value && typeof value === "object" ? pairs(value)
      : value && !HIDDEN.includes(key) ? [[key, measure(key, value)]] : []);
}
const unfolded = new Set();
function line(of, one) {
  const found = pairs(one);
  const main = found.filter(([key]) => MAIN.includes(key)).map(([, text]) => text);
  const rest = found.filter(([key]) => !MAIN.includes(key)).map(([, text]) => text);
  const label = `${of}/${one.name}`;
  const cell = put("div", "");
  cell.append(put("span", [one.reason, ...main].filter(Boolean).join(", "), "dim"));
  if (rest.length) {
    const more = put("details", "");
    more.open = unfolded.has(label);
    more.ontoggle = () => (more.open ? unfolded.add(label) : unfolded.delete(label));
    more.append(put("summary", "more"), put("span", rest.join(", "), "dim"));
    cell.append(more);
  }
  return row(name(label), state(one.state), cell);
}

async function channels() {
  const found = (await ask("v1/channels")).channels;
  $("main").hidden = false; $("login").hidden = $("wrong").hidden = true;
  $("channels").replaceChildren(...found.map(channel));
  const lines = found.flatMap((c) =>
    [...(c.binds ?? []), ...(c.lines ?? [])].map((l) => line(c.name, l)));
  $("withlines").hidden = !lines.length;
  $("lines").replaceChildren(...lines);
  const whole = await ask("v1/status");
  if (whole.error) throw new Error(whole.error.text);
  $("ready").textContent = whole.status + (whole.reason ? `: ${whole.reason}` : "");
  $("ready").className = whole.status === "ready" ? "c up" : "c down";
  if (whole.name) { $("name").textContent = whole.name; document.title = whole.name; }
  const counts = Object.entries(whole.messages ?? {}).filter(([, count]) => count)
    .map(([key, count]) => put("span", `${count.toLocaleString()} ${key}`, `c ${key}`));
  if (whole.receipts_unmatched) {
    counts.push(put("span", `${whole.receipts_unmatched} receipts match no message`,
      "c uncertain"));
  }
  $("counts").replaceChildren(...counts);
}

function happened(event) {
  const what = event.type === "status" ? event.id
    : event.type === "inbound" ? `${event.from}${event.from_raw ? ` (${event.from_raw})` : ""} → ${event.to ?? ""}`
    : `${event.type} ${[event.channel, event.line].filter(Boolean).join("/")}`;
  const more = event.type === "inbound"
    ? list(JSON.stringify(event.text), event.dest_port != null && `port ${event.dest_port}`,
      event.udh && `udh ${event.udh}`, event.channel, event.line)
    : list(event.type === "status" && event.channel, event.reason, fault(event.error));
  const tr = row(clock(event.at ?? event.received_at), state(event.state ?? "inbound"),
    { text: what, style: "id" }, dim(more));
  if (event.type === "status") {
    tr.className = "told";
    tr.onclick = () => { $("id").value = event.id; tell(event.id); };
  }
  $("events").prepend(tr);
  while ($("events").children.length > SHOWN) $("events").lastChild.remove();
}
async function recent() {
  const now = (await ask("v1/events?after=now&limit=1")).after;
  const after = Math.max(0, now - FIRST);
  const page = await ask(`v1/events?after=${after}&limit=${FIRST}&masked=yes`);
  page.events.forEach(happened);
  last = page.after;
}
async function listen() {
  if (last === null) await recent();
  const answer = await open("v1/events?masked=yes", {},
    { accept: "text/event-stream", "last-event-id": last });
  // the journal was put back from an older copy
  if (answer.status === 409) last = null;
  if (!answer.ok) throw new Error(answer.status);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      for (const text of block.split("\n")) {
        if (text.startsWith("id: ")) last = text.slice(4);
        if (text.startsWith("data: ")) happened(JSON.parse(text.slice(6)));
      }
    }
  }
}

async function tell(id) {
  if (!id) return;
  const told = await ask(`v1/messages/${encodeURIComponent(id)}`);
  $("told").hidden = false;
  const said = told.message?.text ?? told.message?.binary;
  $("about").textContent = told.error && !told.state ? told.error.text
    : list(told.from, "→", told.to, said && JSON.stringify(said));
  const rows = (told.events ?? []).map((e) => row(clock(e.at), state(e.state),
    [e.channel, e.line].filter(Boolean).join("/"),
    dim(list((e.provider_ids ?? []).join(", "), fault(e.error)))));
  for (const one of told.message?.tracker?.findings ?? [])
    rows.unshift(row("", { text: one.code, style: "s waiting" }, told.message.tracker.profile, dim(one.text)));
  $("story").replaceChildren(...rows);
  $("raw").textContent = JSON.stringify(told, null, 2);
  $("told").scrollIntoView({ block: "nearest" });
}

const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
async function forever(work, ms) {
  for (;;) {
    try { await work(); } catch (error) {
      if (error.message === "token") return;
      $("ready").textContent = "no answer"; $("ready").className = "c down";
    }
    await pause(ms);
  }
}
function begin() { forever(channels, 3000); forever(listen, 2000); }
$("login").onsubmit = (event) => {
  event.preventDefault();
  word.setItem("token", $("token").value); $("token").value = ""; begin();
};
$("ask").onsubmit = (event) => { event.preventDefault(); tell($("id").value.trim()); };
begin();
