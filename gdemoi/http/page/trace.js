// What passes on a channel, while one looks.
import { ask, name, request } from "./api.js";
import { $, button, el, fill, say } from "./dom.js";
import { clock, t } from "./words.js";

const EVERY_MS = 1000;
const MOST = 1000;
let watched = null;

function line(one) {
  const ours = one.direction === "out";
  return el("li", ours ? "out" : "in", el("span", "dim", `${clock(one.at)} `),
    el("b", "", ours ? "→ " : "← "), el("span", "dim", `${one.link ?? ""} `), one.line ?? "");
}
async function pcap(channel) {
  const answer = await request(`v1/channels/${name(channel)}/trace?format=pcap`);
  if (!answer.ok) { say(t("notrace"), true); return; }
  const made = el("a");
  made.href = URL.createObjectURL(await answer.blob());
  made.download = `${channel}.pcap`;
  made.click();
  URL.revokeObjectURL(made.href);
}
export function leave() { watched = null; }
export async function watch(channel) {
  const mine = watched = {};
  $("trace-name").textContent = channel;
  const list = el("ol", "trace");
  list.tabIndex = 0;
  list.setAttribute("aria-label", `${t("trace")} ${channel}`);
  let still = false;
  const hold = button(t("stop"), () => {
    still = !still;
    hold.textContent = t(still ? "start" : "stop");
  });
  fill("trace-buttons", hold, button(t("clear"), () => list.replaceChildren()),
    button(t("pcap"), () => pcap(channel)));
  fill("trace-lines", list);
  for (let after = 0; watched === mine;) {
    if (!still) {
      try {
        const page = await ask(`v1/channels/${name(channel)}/trace?after=${after}`);
        if (watched !== mine) return;
        // numbers began anew: the gateway has restarted
        after = page.after;
        list.prepend(...page.records.map(line).reverse());
        while (list.children.length > MOST) list.lastChild.remove();
      } catch (error) {
        if (watched === mine) fill("trace-lines", el("p", "bad", `${t("notrace")}: ${error.message}`));
        return;
      }
    }
    await new Promise((resume) => setTimeout(resume, EVERY_MS));
  }
}
