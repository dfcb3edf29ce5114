// What the page asks of the API, with the token, and who it may be.
const word = sessionStorage;
export const me = { role: "operator", send: true };
export const operates = () => me.role === "operator";
let refused = () => {};
export const onRefused = (act) => { refused = act; };
export const hasToken = () => word.getItem("token") !== null;
export const keep = (token) => word.setItem("token", token);
export const forget = () => word.removeItem("token");

export class Refusal extends Error {
  constructor(error, status, body) {
    super(error.text);
    Object.assign(this, { code: error.code, status, body });
  }
}
export async function request(path, options = {}, headers = {}) {
  const token = word.getItem("token");
  if (token) headers = { authorization: "Bearer " + token, ...headers };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) {
    // not when another one was given meanwhile
    if (word.getItem("token") === token) refused();
    throw new Error("token");
  }
  return answer;
}
export async function ask(path, options) {
  const answer = await request(path, options);
  const body = await answer.json();
  if (!answer.ok) throw new Refusal(body.error ?? { text: String(answer.status) }, answer.status, body);
  return body;
}
export const post = (path, body) =>
  ask(path, { method: "POST", body: body === undefined ? undefined : JSON.stringify(body) });
export const name = encodeURIComponent;

let remedies = null;
// What to do about an error, in a language; "" where nothing is known.
export async function remedy(code, language) {
  remedies ??= await ask("v1/remedies");
  const found = remedies.codes[code] ?? remedies.words[code.split(":").slice(1).join(":")];
  return found?.[language] ?? "";
}
