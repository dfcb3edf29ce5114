// The page in English and Russian: by the browser's language, and by a switch.
const RU = {
  overview: "обзор", messages: "сообщения", send: "отправить", events: "события", trace: "трасса",
  token: "токен", open: "войти", wrong: "этот токен не подходит", look: "только просмотр",
  skip: "к содержанию", language: "язык", sections: "разделы",
  ready: "готов", unready: "не готов", noanswer: "шлюз не отвечает",
  up: "работает", down: "не работает", degraded: "работает частично", unknown: "неизвестно",
  paused: "приостановлен", accepted: "принято", waiting: "ждёт", submitted: "отправлено",
  uncertain: "неясно", enroute: "в пути", delivered: "доставлено", undelivered: "не доставлено",
  expired: "просрочено", rejected: "отклонено", cancelled: "отменено", inbound: "входящее",
  firing: "тревога", recovered: "снова в порядке", reminder: "всё ещё", refused: "отказано",
  unsure: "неясно", sent: "отправлено", failed: "не вышло",
  queue: "очередь", oldest: "старейшее ждёт", inflight: "без ответа", rate: "скорость",
  balance: "баланс", owner: "владелец", today: "сегодня", hour: "последний час",
  of: "из", nolimit: "без предела", lasterror: "последняя ошибка", whattodo: "что делать",
  lines: "линии и соединения", line: "линия", state: "состояние", signal: "сигнал", number: "номер",
  operator: "оператор", received: "принято", more: "ещё", actions: "действия",
  pause: "приостановить", resume: "возобновить", hurry: "поторопить", reboot: "перезагрузить",
  ussd: "USSD", show: "показать", cancel: "отменить", yes: "да", no: "нет",
  alerts: "тревоги", since: "с", nochannels: "каналов нет", unmatched: "отчётов без сообщения",
  lost: "потеряно", doors: "входы",
  surepause: "Приостановить канал?", pausetext: "Сообщения подождут или уйдут другим путём.",
  sureresume: "Возобновить канал?", resumetext: "Что ждёт, будет отправлено сразу.",
  surehurry: "Соединить сейчас?", surereboot: "Перезагрузить линию?",
  reboottext: "Её SMS подождут, пока SIM снова зарегистрируется.",
  sureussd: "Набрать код USSD", code: "код", surebalance: "Спросить баланс SIM?",
  sureshow: "Спросить состояние порта?", surecancel: "Отозвать сообщение?",
  canceltext: "Удаётся, только пока оно не ушло.", done: "сделано", answered: "ответ",
  saidsince: "что номер прислал за сутки после", late: "поздно", gateways: "шлюзы",
  id: "id", to: "кому", from: "от", text: "текст", channel: "канал", until: "до", any: "любое",
  find: "найти", nothing: "ничего не найдено", at: "когда", error: "ошибка", segments: "сегменты",
  class: "класс", notification: "уведомление", command: "команда", activation: "активация",
  account: "учётная запись", acceptedat: "принято в", expiresat: "живёт до", attempt: "попытка",
  attempts: "попытки", outcome: "исход", providerids: "id оператора", receipts: "отчёты",
  story: "история сообщения", answers: "входящие ответы", findings: "замечания профиля",
  octets: "октеты", octetsnow: "как они ушли бы сейчас", hex: "шестнадцатеричное",
  meaning: "значение", field: "поле", units: "единиц", everything: "всё", profile: "профиль",
  raw: "как пришло", counted: "учтён", masked: "пароли скрыты", due: "повтор в", tried: "пробовали",
  charset: "кодировка", auto: "сама", route: "маршрут", sender: "отправитель",
  transliterated: "латиницей", wouldgo: "что будет отправлено", segment: "сегмент",
  sendit: "отправить", suresend: "Отправить команду?", surebinary: "Отправить сообщение?",
  sendtext: "Команда может заглушить двигатель. Проверьте номер и каждый знак.",
  taken: "принято", duplicate: "уже было принято", unknownfate:
    "Ответа нет: неизвестно, принято ли. Нажмите ещё раз: id тот же, второй раз не уйдёт.",
  start: "смотреть", stop: "стоп", clear: "очистить", pcap: "файл pcap", out: "ушло", in: "пришло",
  notrace: "Здесь трассы нет", live: "как происходят", none: "нет ответа", ok: "ок", minute: "мин", second: "с",
  hourshort: "ч", day: "д", most: "больше всего за минуту", connected: "соединён", reload:
    "обновить", signalof: "сигнал {0} из 31", hoursays: "За час отправлено {0}, доставлено {1}, "
    + "не вышло {2}; больше всего за минуту {3}", persecond: "/с", header: "заголовок",
};
const EN = {
  wrong: "this token is wrong", look: "looking only", skip: "to the content", noanswer: "no answer",
  unready: "not ready", oldest: "oldest waits", inflight: "in flight", nolimit: "no limit",
  lasterror: "last error", whattodo: "what to do", lines: "lines and binds",
  hour: "last hour", nochannels: "no channels", unmatched: "receipts match no message",
  ussd: "USSD", surepause: "Pause the channel?", pausetext: "Messages wait, or go another way.",
  sureresume: "Resume the channel?", resumetext: "What waits is sent at once.",
  surehurry: "Connect now?", surereboot: "Reboot the line?",
  reboottext: "Its SMS wait until the SIM is registered again.",
  sureussd: "Dial a USSD code", surebalance: "Ask for the SIM's balance?",
  sureshow: "Ask for the port's state?", surecancel: "Take the message back?",
  canceltext: "That works only while it has not left.", nothing: "nothing found",
  acceptedat: "accepted at", expiresat: "expires at", providerids: "provider ids",
  saidsince: "what the number sent within a day", story: "the story of a message", answers: "inbound answers", findings: "findings of the profile",
  octetsnow: "as they would leave now", masked: "passwords are hidden", due: "tried again at",
  wouldgo: "what would be sent", sendit: "send", suresend: "Send the command?",
  surebinary: "Send the message?", raw: "as it came",
  sendtext: "A command may stop an engine. Look at the number and at each sign.",
  taken: "accepted", duplicate: "was taken before", unknownfate:
    "No answer: nobody knows whether it was taken. Press again: the id is the same, it leaves once.",
  start: "watch", pcap: "pcap file", notrace: "There is no trace here", live: "as they happen",
  none: "no answer", minute: "min", second: "s", hourshort: "h", day: "d",
  signalof: "signal {0} of 31", hoursays: "In the last hour {0} sent, {1} delivered, {2} failed; "
    + "{3} in a minute at most", persecond: "/s", reload: "refresh", recovered: "well again",
  reminder: "still",
};
const LANGUAGES = { en: EN, ru: RU };

function first() {
  const kept = localStorage.getItem("language");
  if (kept in LANGUAGES) return kept;
  const asked = navigator.languages.map((one) => one.slice(0, 2).toLowerCase());
  return asked.find((one) => one in LANGUAGES) ?? "en";
}
export let language = first();
export const known = Object.keys(LANGUAGES);
export function speak(chosen) {
  language = chosen;
  localStorage.setItem("language", chosen);
}
// t("signalof", 18): words with values in their places; unknown words are themselves
export function t(word, ...values) {
  const table = LANGUAGES[language];
  const found = Object.hasOwn(table, word) ? table[word] : String(word).replaceAll("_", " ");
  return values.reduce((text, value, i) => text.replace(`{${i}}`, value), found);
}
export function translate() {
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of document.querySelectorAll("[data-label]"))
    one.setAttribute("aria-label", t(one.dataset.label));
  for (const one of document.querySelectorAll("#languages button"))
    one.setAttribute("aria-pressed", String(one.lang === language));
}
export const count = (value) => Number(value).toLocaleString(language);
const HOURS = { hourCycle: "h23" };
export function clock(at) {
  if (!at) return "";
  const time = new Date(typeof at === "number" ? at * 1000 : at);
  const today = time.toDateString() === new Date().toDateString();
  return today ? time.toLocaleTimeString(language, HOURS) : time.toLocaleString(language, HOURS);
}
export function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} ${t("second")}`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} ${t("minute")}`;
  if (seconds < 172800) return `${+(seconds / 3600).toFixed(1)} ${t("hourshort")}`;
  return `${Math.round(seconds / 86400)} ${t("day")}`;
}
