// The status page: shows what the API tells, and asks it nothing else.
"use strict";
const $ = (id) => document.getElementById(id);
const word = sessionStorage;
const SHOWN = 100;
let last = null;

function headers(more) {
  const token = word.getItem("token");
  return token ? { authorization: "Bearer " + token, ...more } : { ...more };
}
async function ask(path, options) {
  const answer = await fetch(path, { ...options, headers: headers() });
  if (answer.status === 401) { login(); throw new Error("token"); }
  return answer.json();
}
function login() { $("login").hidden = false; $("main").hidden = true; $("token").focus(); }

// Everything is text: nothing that came over the air becomes markup.
function row(...cells) {
  const tr = document.createElement("tr");
  for (const cell of cells) {
    const td = document.createElement("td");
    if (cell instanceof Node) td.append(cell);
    else if (cell && typeof cell === "object") {
      td.className = cell.style; td.textContent = cell.text ?? "";
    } else td.textContent = cell ?? "";
    tr.append(td);
  }
  return tr;
}
const n = (text) => ({ text, style: "n" });
const state = (text) => ({ text, style: text });
const clock = (at) => ({ text: at ? new Date(at).toLocaleTimeString() : "", style: "dim" });
const fault = (error) => (error ? `${error.code} ${error.text}` : "");

function channel(one) {
  const verb = one.paused ? "resume" : "pause";
  const button = document.createElement("button");
  button.textContent = verb;
  button.onclick = async () => {
    await ask(`v1/channels/${encodeURIComponent(one.name)}/${verb}`, { method: "POST" });
    channels();
  };
  const notes = [one.reason, one.unable !== one.reason && one.unable,
    one.balance != null && `balance ${one.balance}`];
  return row(one.name, one.kind, one.paused ? state("paused") : state(one.state),
    n(one.backlog), n(`${one.in_flight ?? 0} / ${one.window ?? ""}`),
    n(one.rate ? one.rate + "/s" : ""), n(one.sent),
    { text: notes.filter(Boolean).join(", "), style: "dim" }, button);
}
const LONG = ["name", "state", "reason", "imei", "imsi", "iccid", "smsc", "status", "span"];
function pairs(one) {
  return Object.entries(one).flatMap(([key, value]) =>
    value && typeof value === "object" ? pairs(value)
      : value && !LONG.includes(key) ? [`${key.replaceAll("_", " ")} ${value}`] : []);
}
function line(name, one) {
  return row(`${name}/${one.name}`, state(one.state), one.reason ?? "",
    { text: pairs(one).join(", "), style: "dim" });
}
async function channels() {
  const found = (await ask("v1/channels")).channels;
  $("main").hidden = false; $("login").hidden = true;
  $("channels").replaceChildren(...found.map(channel));
  const lines = found.flatMap((c) => (c.lines ?? []).map((l) => line(c.name, l)));
  $("withlines").hidden = !lines.length;
  $("lines").replaceChildren(...lines);
  const ready = await (await fetch("health/ready")).json();
  $("ready").textContent = ready.status + (ready.reason ? `: ${ready.reason}` : "");
  $("ready").className = ready.status === "ready" ? "up" : "down";
}

function happened(event) {
  const what = event.type === "status" ? event.id
    : event.type === "inbound" ? `${event.from} → ${event.to ?? ""}`
    : `${event.type} ${[event.channel, event.line].filter(Boolean).join("/")}`;
  const more = event.type === "inbound" ? JSON.stringify(event.text)
    : [event.type === "status" && event.channel, event.reason, fault(event.error)]
      .filter(Boolean).join("  ");
  const tr = row(clock(event.at ?? event.received_at), state(event.state ?? "inbound"),
    what, { text: more, style: "dim" });
  if (event.type === "status") tr.onclick = () => { $("id").value = event.id; tell(event.id); };
  $("events").prepend(tr);
  while ($("events").children.length > SHOWN) $("events").lastChild.remove();
}
async function listen() {
  const more = { accept: "text/event-stream" };
  if (last !== null) more["last-event-id"] = last;
  const answer = await fetch("v1/events", { headers: headers(more) });
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
  const told = await ask(`v1/messages/${encodeURIComponent(id)}`);
  const rows = (told.events ?? []).map((e) => row(clock(e.at), state(e.state),
    [e.channel, e.line].filter(Boolean).join("/"),
    { text: [(e.provider_ids ?? []).join(", "), fault(e.error)].join("  "), style: "dim" }));
  $("story").replaceChildren(...rows);
  $("raw").hidden = false;
  $("raw").textContent = JSON.stringify(told, null, 2);
}

const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
async function forever(work, ms) {
  for (;;) {
    try { await work(); } catch (error) {
      if (error.message === "token") return;
      $("ready").textContent = "no answer"; $("ready").className = "down";
    }
    await pause(ms);
  }
}
function begin() { forever(channels, 3000); forever(listen, 2000); }
$("login").onsubmit = (event) => {
  event.preventDefault(); word.setItem("token", $("token").value); begin();
};
$("ask").onsubmit = (event) => { event.preventDefault(); tell($("id").value.trim()); };
begin();
