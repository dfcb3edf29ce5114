"""What to do about an error, by its code, and about what a channel says of itself.

One table for the command line and the status page, in English and Russian.  Codes are
those of docs/contract.rst, "Error words".
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen


@frozen
class Remedy:
    """What to do, in two languages."""

    en: str
    ru: str

    def told(self) -> dict[str, str]:
        """Return it JSON-ready: language → words."""
        return {"en": self.en, "ru": self.ru}


_CREDENTIALS: Final = Remedy(
    "`system_id`, `password` and `system_type` must be those of the carrier; mend them,"
    " reload, then resume the channel",
    "`system_id`, `password` и `system_type` должны быть как у оператора: исправьте,"
    " перечитайте настройки и возобновите канал",
)
_SENDER: Final = Remedy(
    "the carrier does not take this sender: have it registered there, or set another"
    " `sender`; resume tries it at once",
    "оператор не принимает этого отправителя: зарегистрируйте его или задайте другой"
    " `sender`; «возобновить» пробует сразу",
)
_NUMBER: Final = Remedy(
    "look at the number: country code, length; does the carrier serve that country?",
    "проверьте номер: код страны, длину; обслуживает ли оператор эту страну?",
)
_SLOWER: Final = Remedy(
    "the gateway slows down by itself; if it lasts, lower `throughput` or have the"
    " carrier raise the limit",
    "шлюз сам сбавляет скорость; если это надолго, уменьшите `throughput` или попросите"
    " оператора поднять предел",
)
_LATER: Final = Remedy(
    "the carrier's own trouble: it is tried again by itself; if it lasts, call them",
    "неполадка у оператора: повтор идёт сам; если это надолго, свяжитесь с ним",
)
_KEY: Final = Remedy(
    "the provider refuses the credentials: look at the account's keys in its section,"
    " reload, then resume",
    "провайдер не принимает учётные данные: проверьте ключи в секции канала,"
    " перечитайте настройки и возобновите",
)
_REACH: Final = Remedy(
    "is the address right, and may this machine reach it (firewall, DNS, route)?",
    "верен ли адрес, и доступен ли он с этой машины (файрвол, DNS, маршрут)?",
)

REMEDIES: Final = {
    "gateway:unencodable": Remedy(
        "--charset auto or ucs2 sends any letters (in twice as many segments);"
        " --on-unencodable transliterate writes notifications in Latin letters."
        " A charset may be the route's: see its `charset` and `on_unencodable`",
        "charset auto или ucs2 передаёт любые буквы (сегментов вдвое больше);"
        " on_unencodable = transliterate пишет уведомления латиницей."
        " Кодировку может задавать маршрут: его `charset` и `on_unencodable`",
    ),
    "gateway:sender_not_allowed": Remedy(
        "leave --from out for the channel's own sender, or add this one to the"
        " channel's `allowed_sender`",
        "не указывайте отправителя (будет тот, что у канала) или добавьте его в"
        " `allowed_sender` канала",
    ),
    "gateway:no_route": Remedy(
        "`explain` tells why each route does not match; a [route:NAME] without"
        " conditions at the end takes the rest",
        "`explain` говорит, почему не подошёл каждый маршрут; [route:ИМЯ] без условий"
        " в конце берёт всё остальное",
    ),
    "gateway:bad_number": Remedy(
        "write + and the country's code, or set `home_country` in [gateway]",
        "пишите + и код страны или задайте `home_country` в [gateway]",
    ),
    "gateway:tracker_check": Remedy(
        "mend the command, or allow it: `strict` of its [tracker:NAME], or"
        " `trackers set NUMBER --no-strict`",
        "исправьте команду или разрешите её: `strict` в [tracker:ИМЯ] или"
        " `trackers set НОМЕР --no-strict`",
    ),
    "gateway:too_long": Remedy(
        "a shorter text, or a larger --max-segments",
        "короче текст или больше max_segments",
    ),
    "gateway:provider_alters_text": Remedy(
        "another channel: this provider would not send the text as it is",
        "другой канал: этот провайдер изменил бы текст",
    ),
    "gateway:unsupported": Remedy(
        "another channel, or the message without that field",
        "другой канал или сообщение без этого поля",
    ),
    "gateway:budget": Remedy(
        "it leaves by itself when the hour, day or month turns, or the quiet hours end;"
        " to send more, raise the limits of the lines, or give the route another"
        " channel",
        "уйдёт само с новым часом, днём или месяцем, или после тихих часов; чтобы"
        " отправлять больше, поднимите лимиты линий или добавьте в маршрут канал",
    ),
    "gateway:expired": Remedy(
        "it waited longer than its time to live: see why its channel was away, or give"
        " a longer `ttl`",
        "ждало дольше срока жизни: посмотрите, почему канал был недоступен, или дайте"
        " больший `ttl`",
    ),
    "gateway:no_receipt": Remedy(
        "the carrier sent no final receipt: ask it by the provider id; are receipts"
        " part of the contract?",
        "окончательного отчёта не было: спросите оператора по его идентификатору;"
        " входят ли отчёты в договор?",
    ),
    "gateway:uncertain": Remedy(
        "it may have gone out. Look whether the tracker answered before you send it"
        " again: a command that arrives twice acts twice",
        "возможно, ушло. До повтора посмотрите, ответил ли трекер: команда, пришедшая"
        " дважды, сработает дважды",
    ),
    "gateway:partly_sent": Remedy(
        "some segments left and the rest cannot follow: the phone shows nothing;"
        " send it anew under another id",
        "часть сегментов ушла, остальные следом не могут: телефон ничего не покажет;"
        " отправьте заново под другим id",
    ),
    "gateway:unavailable": Remedy(
        "no link now: it waits and leaves by itself; see the state of the channel",
        "связи нет: сообщение ждёт и уйдёт само; смотрите состояние канала",
    ),
    "gateway:id_reused": Remedy(
        "each message has an id of its own; only a repeat of the same one may have it",
        "у каждого сообщения свой id; тот же id лишь у повтора того же сообщения",
    ),
    "gateway:fault": Remedy(
        "a fault of the gateway about this one message: its log tells where",
        "ошибка шлюза на этом сообщении: место указано в его журнале",
    ),
    "smpp:0x05": Remedy(
        "an older session is still bound there: it is tried again; does another program"
        " use this system_id?",
        "там ещё держится прежняя сессия: повтор идёт сам; не занят ли system_id другой"
        " программой?",
    ),
    "smpp:0x08": _LATER,
    "smpp:0x0A": _SENDER,
    "smpp:0x0B": _NUMBER,
    "smpp:0x0D": _CREDENTIALS,
    "smpp:0x0E": _CREDENTIALS,
    "smpp:0x0F": _CREDENTIALS,
    "smpp:0x14": _SLOWER,
    "smpp:0x45": _LATER,
    "smpp:0x48": _SENDER,
    "smpp:0x49": _SENDER,
    "smpp:0x53": _CREDENTIALS,
    "smpp:0x58": _SLOWER,
    "smpp:0xFE": _LATER,
    "smpp:0xFF": _LATER,
}
# Words of a code that every namespace may have.
OF_ANY: Final = {
    "unreachable": _REACH,
    "http401": _KEY,
    "http403": _KEY,
    "http429": _SLOWER,
    "http500": _LATER,
    "http502": _LATER,
    "http503": _LATER,
    "http504": _LATER,
}
# What channels and lines say of themselves (`reason`), the first that is found.
_REASONS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), remedy)
    for pattern, remedy in (
        (r"RINVPASWD|RINVSYSID|RINVSYSTYP|RBINDFAIL|401|unauthori", _CREDENTIALS),
        (r"RALYBND", REMEDIES["smpp:0x05"]),
        (
            r"certificate|TLS",
            Remedy(
                "look at `tls`, `tls_ca` and the port: each says what the far side"
                " must be",
                "проверьте `tls`, `tls_ca` и порт: они описывают, что должно быть на"
                " той стороне",
            ),
        ),
        (
            r"DNS|lookup|no address|resolve",
            Remedy(
                "the name is not known: look at `host`, and at this machine's DNS",
                "имя не найдено: проверьте `host` и DNS этой машины",
            ),
        ),
        (
            r"connection (was )?refused",
            Remedy(
                "nothing listens there: look at host and port; has the far side"
                " allowed this machine's address?",
                "там никто не слушает: проверьте адрес и порт; разрешён ли на той"
                " стороне адрес этой машины?",
            ),
        ),
        (
            r"no answer to the bind|timed? ?out|unreachable|no route",
            _REACH,
        ),
        (
            r"no keepalive",
            Remedy(
                "the device does not report: is it on, and does its SMS Server setting"
                " name this machine, this port, and the line's id and password?",
                "устройство не выходит на связь: включено ли оно, и указаны ли в нём"
                " эта машина, порт, id и пароль линии?",
            ),
        ),
        (
            r"\bSIM\b|not registered|LOGOUT|no gsm",
            Remedy(
                "look at the SIM (in place, paid, without a PIN) and the antenna;"
                " a reboot of the line registers it anew",
                "проверьте SIM (вставлена, оплачена, без PIN) и антенну; перезагрузка"
                " линии регистрирует её заново",
            ),
        ),
        (
            r"without an answer|unanswered|no answer",
            Remedy(
                "the far side keeps silent: what was sent may have gone out. Call the"
                " carrier; pause the channel if others can do its work",
                "та сторона молчит: посланное могло уйти. Свяжитесь с оператором;"
                " приостановите канал, если есть другие",
            ),
        ),
        (
            r"balance|credit|funds|money",
            Remedy("top up the account", "пополните счёт"),
        ),
        (
            r"connection (was )?(closed|lost)|not connected|hung up|unbound",
            Remedy(
                "it is connected again by itself; hurry does it at once. If it goes on,"
                " ask the far side why it hangs up",
                "связь восстановится сама, «поторопить» — сразу. Если повторяется,"
                " спросите ту сторону, почему она рвёт связь",
            ),
        ),
    )
)


def remedy_of(code: str) -> Remedy | None:
    """Return what to do about an error, None where nothing is known."""
    found = REMEDIES.get(code)
    return found or OF_ANY.get(code.partition(":")[2])


def remedy_of_reason(reason: str) -> Remedy | None:
    """Return what to do about the `reason` of a channel, a bind or a line."""
    for pattern, remedy in _REASONS:
        if pattern.search(reason):
            return remedy
    return None
