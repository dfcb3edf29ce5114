// Events as they happen.
import { ask, name, request } from "./api.js";
import { $, el, link, state } from "./dom.js";
import { clock } from "./words.js";

const SHOWN = 100;
const FIRST = 25;
let last = null;

const fault = (error) => (error ? `${error.code} ${error.text}` : "");
const list = (...words) => words.filter(Boolean).join("  ");
function cells(event) {
  const place = [event.channel, event.line].filter(Boolean).join("/");
  switch (event.type) {
    case "status":
      return [state(event.state), link(event.id, `#message/${name(event.id)}`), list(place, fault(event.error))];
    case "inbound":
      return [state("inbound"),
        `${event.from}${event.from_raw ? ` (${event.from_raw})` : ""} → ${event.to ?? ""}`,
        list(JSON.stringify(event.text ?? event.binary ?? ""), event.dest_port != null && `port ${event.dest_port}`,
          event.udh && `udh ${event.udh}`, place)];
    case "answer":
      return [state(event.state), link(event.id, `#message/${name(event.id)}`),
        list(event.text !== null && JSON.stringify(event.text), event.answer?.pattern)];
    case "alert":
      return [state(event.state), event.name, event.text];
    default:
      return [state(event.state), `${event.type} ${place}`, list(event.reason)];
  }
}
function happened(event) {
  const [how, what, more] = cells(event);
  const time = el("td", "nowrap dim", clock(event.at ?? event.received_at));
  $("events").prepend(el("tr", "", time, el("td", "", how), el("td", "wrap", what), el("td", "wrap dim", more)));
  while ($("events").children.length > SHOWN) $("events").lastChild.remove();
}
async function recent() {
  const now = (await ask("v1/events?after=now&limit=1")).after;
  const page = await ask(`v1/events?after=${Math.max(0, now - FIRST)}&limit=${FIRST}&masked=yes`);
  page.events.forEach(happened);
  last = page.after;
}
export async function listen() {
  if (last === null) await recent();
  const answer = await request("v1/events?masked=yes", {},
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
