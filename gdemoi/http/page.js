// The page of a gateway: shows what the API tells, and does what an operator asks.
import { forget, hasToken, keep, me, onRefused } from "./page/api.js";
import { $ } from "./page/dom.js";
import { listen } from "./page/events.js";
import { find, prepare as prepareFind, story } from "./page/messages.js";
import { refresh } from "./page/overview.js";
import { explain, prepare as prepareSend, send, typed } from "./page/send.js";
import { leave, watch } from "./page/trace.js";
import { known as languages, speak, t, translate } from "./page/words.js";

const SECTIONS = ["overview", "messages", "message", "send", "events", "trace"];
let channels = [];
let open = "";

function login() {
  // two requests may be refused at once: the first tells it
  if (hasToken()) $("wrong").hidden = false;
  forget();
  $("ready").replaceChildren();
  $("login").hidden = false;
  $("main").hidden = $("sections").hidden = true;
  $("token").focus();
}
// #message/ID, #trace/CHANNEL, #send …: what is looked at has an address
function go() {
  const [word, ...rest] = location.hash.slice(1).split("/");
  const known = SECTIONS.includes(word) && (word !== "send" || me.send);
  const section = known ? word : "overview";
  let about = rest.join("/");
  // somebody may have typed it
  try { about = decodeURIComponent(about); } catch { /* as it stands */ }
  for (const one of SECTIONS) $(`section-${one}`).hidden = one !== section;
  for (const one of $("sections").querySelectorAll("a"))
    if (one.hash === `#${section}` || (section === "message" && one.hash === "#messages"))
      one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  const there = `${section}/${about}`;
  leave();
  if (section === "message" && about) story(about).catch(() => {});
  if (section === "trace" && about) watch(about);
  if (section === "send") explain();
  if (open && there !== open) $("main").focus();
  open = there;
}
function names() {
  prepareFind(channels);
  prepareSend();
}
async function look() {
  const found = await refresh();
  const first = $("main").hidden;
  const changed = JSON.stringify(found.map((one) => one.name)) !== JSON.stringify(channels.map((one) => one.name));
  channels = found;
  $("main").hidden = $("sections").hidden = false;
  $("login").hidden = $("wrong").hidden = true;
  if (changed || first) names();
  if (first) go();
}
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
async function forever(work, ms) {
  for (;;) {
    try { await work(); } catch (error) {
      if (error.message === "token") return;
      const words = document.createElement("span");
      words.className = "c down";
      words.textContent = t("noanswer");
      $("ready").replaceChildren(words);
    }
    await pause(ms);
  }
}
function begin() { forever(look, 3000); forever(listen, 2000); }

onRefused(login);
for (const one of languages) {
  const made = document.createElement("button");
  made.type = "button";
  made.lang = one;
  made.textContent = one.toUpperCase();
  made.onclick = () => { speak(one); translate(); names(); look().then(go).catch(() => {}); };
  $("languages").append(made);
}
translate();
$("login").onsubmit = (event) => {
  event.preventDefault();
  keep($("token").value);
  $("token").value = "";
  begin();
};
$("find").onsubmit = (event) => { event.preventDefault(); find(); };
$("sendform").onsubmit = send;
$("sendform").oninput = typed;
window.onhashchange = go;
begin();
