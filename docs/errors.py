"""``errors.rst`` and ``ru/errors.rst`` made from the tables of the code.

``make docs`` writes them, a test compares them.  What to do is what the status page
and the command line say (`gdemoi.contract.remedies`); what a carrier's code means
comes from its table.  Only the Russian names of codes that are named in English by
the code itself stand here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from docs.reference import filled, titled, written
from gdemoi.contract.remedies import OF_ANY, remedy_of, remedy_of_reason
from gdemoi.smpp.error_codes import Verdict, rule_for
from gdemoi.smpp.pdu.statuses import MEANINGS, Status

TABLES: Final = Path(__file__).parents[1] / "gdemoi/smpp/tables"
# what the gateway says: English as in contract.rst, and Russian
GATEWAY: Final = {
    "bad_number": (
        "not a phone number, or not one that the channel takes",
        "это не номер телефона, или канал таких не принимает",
    ),
    "budget": (
        "waits for the budget of a SIM, or for quiet hours to end",
        "ждёт, пока SIM снова можно будет отправлять, или конца тихих часов",
    ),
    "expired": ("the time to live has passed", "истёк срок жизни сообщения"),
    "fault": (
        "a fault of the gateway about this message",
        "ошибка самого шлюза на этом сообщении",
    ),
    "id_reused": (
        "the id belongs to another content",
        "этот id уже у сообщения с другим содержанием",
    ),
    "invalid": (
        "not the JSON of a message; `field` says where",
        "это не JSON сообщения; `field` говорит, где ошибка",
    ),
    "no_receipt": (
        "settled after `receipt_ttl`: no final receipt has come",
        "закрыто по `receipt_ttl`: окончательный отчёт не пришёл",
    ),
    "no_route": (
        "no route, or none of the channels that the message allows",
        "нет маршрута, или нет ни одного канала из разрешённых сообщению",
    ),
    "partly_sent": (
        "some segments have left, the rest cannot follow",
        "часть сегментов ушла, остальные следом не могут",
    ),
    "provider_alters_text": (
        "the provider would change the text",
        "провайдер изменил бы текст",
    ),
    "sender_not_allowed": (
        "the sender is not one of the channel's, or of no form",
        "такого отправителя у канала нет, или он записан неверно",
    ),
    "sequence_stopped": (
        "an earlier command of its `sequence` failed; it was not sent",
        "прежняя команда той же `sequence` не удалась; эта не отправлена",
    ),
    "too_long": (
        "more segments or characters than allowed",
        "сегментов или знаков больше, чем разрешено",
    ),
    "tracker_check": (
        "the tracker would not understand it, and is `strict`",
        "трекер этого не поймёт, а для него задано `strict`",
    ),
    "tracker_busy": (
        "it waits for other commands to its number",
        "ждёт других команд на этот номер",
    ),
    "unavailable": ("no link at the moment", "сейчас нет связи"),
    "uncertain": (
        "it may have gone out; nobody knows",
        "возможно, ушло; точно не знает никто",
    ),
    "unencodable": (
        "characters that the charset has not",
        "есть знаки, которых нет в кодировке",
    ),
    "unsupported": (
        "the channel cannot send this kind of SMS",
        "канал не умеет такие SMS",
    ),
}
STATUSES_RU: Final = {
    0x01: "неверная длина сообщения",
    0x02: "неверная длина PDU",
    0x03: "неизвестная операция",
    0x04: "операция не разрешена в этом состоянии",
    0x05: "сессия с этим логином уже открыта",
    0x06: "неверный priority_flag",
    0x07: "неверный registered_delivery",
    0x08: "системная ошибка SMS-центра",
    0x0A: "неверный отправитель",
    0x0B: "неверный номер получателя",
    0x0C: "неверный идентификатор сообщения",
    0x0D: "bind не принят",
    0x0E: "неверный пароль",
    0x0F: "неверный system_id",
    0x11: "cancel_sm не удался",
    0x13: "replace_sm не удался",
    0x14: "очередь сообщений заполнена",
    0x15: "неверный service_type",
    0x33: "неверное число получателей",
    0x34: "неверное имя списка рассылки",
    0x40: "неверный флаг получателя",
    0x42: "submit с заменой не поддерживается",
    0x43: "неверный esm_class",
    0x44: "рассылка по этому списку невозможна",
    0x45: "submit не удался",
    0x48: "неверный TON отправителя",
    0x49: "неверный NPI отправителя",
    0x50: "неверный TON получателя",
    0x51: "неверный NPI получателя",
    0x53: "неверный system_type",
    0x54: "неверный replace_if_present",
    0x55: "неверное число сообщений",
    0x58: "слишком быстро: превышен предел скорости",
    0x61: "неверное время отправки",
    0x62: "неверный срок действия",
    0x63: "неверный номер готового сообщения",
    0x64: "временная ошибка приложения получателя",
    0x65: "постоянная ошибка приложения получателя",
    0x66: "приложение получателя отвергло сообщение",
    0x67: "query_sm не удался",
    0xC0: "ошибка в необязательных параметрах",
    0xC1: "необязательный параметр не разрешён",
    0xC2: "неверная длина параметра",
    0xC3: "не хватает необязательного параметра",
    0xC4: "неверное значение необязательного параметра",
    0xFE: "доставка не удалась",
    0xFF: "неизвестная ошибка",
}
VERDICTS: Final = {
    Verdict.FINAL: ("the message ends there", "сообщение на этом кончается"),
    Verdict.LATER: ("tried again", "повтор позже"),
    Verdict.THROTTLED: ("tried again, more slowly", "повтор медленнее"),
    Verdict.QUEUE_FULL: ("that number waits", "этот номер ждёт"),
    Verdict.SENDER: ("another channel, or it ends", "другой канал, иначе конец"),
    Verdict.LINK: ("bound anew, then tried again", "новая сессия, затем повтор"),
    Verdict.HALT: ("the channel waits for you", "канал ждёт вас"),
}
# words that every namespace may have, in Russian
ANY_RU: Final = {
    "unreachable": "нет соединения",
    "http401": "HTTP 401: доступ не разрешён",
    "http403": "HTTP 403: запрещено",
    "http429": "HTTP 429: слишком часто",
    "http500": "HTTP 500: ошибка провайдера",
    "http502": "HTTP 502: ошибка провайдера",
    "http503": "HTTP 503: провайдер недоступен",
    "http504": "HTTP 504: провайдер не отвечает",
}
# what channels and lines say of themselves, by a word that is in it
REASONS: Final = (
    ("connection refused", "в соединении отказано"),
    ("DNS lookup failed", "имя не найдено"),
    ("certificate", "сертификат не подходит"),
    ("no answer to the bind", "нет ответа на bind"),
    ("connection lost", "соединение потеряно"),
    ("no keepalive", "устройство не выходит на связь"),
    ("SIM", "SIM-карта или регистрация в сети"),
    ("balance", "баланс"),
)
STATES_RU: Final = {
    "delivered": "доставлено",
    "enroute": "в пути",
    "undelivered": "не доставлено",
    "expired": "срок истёк",
    "rejected": "отвергнуто",
}


@frozen
class Words:
    """The words of one language around what the tables say."""

    language: str
    title: str
    head: str
    to_do: str
    own: str
    smpp: str
    smpp_text: str
    any_: str
    any_text: str
    reasons: str
    reasons_text: str
    carrier: str
    carrier_text: str
    again: str


ENGLISH: Final = Words(
    language="en",
    title="Errors and what to do",
    head="``code`` of ``error`` in events, answers, ``gdemoi-sms story`` and on the"
    " status page.  The same in Russian: `ru/errors.rst <ru/errors.rst>`_.  What each"
    " namespace is: `contract.rst <contract.rst#error-words>`_.",
    to_do="What to do:",
    own="The gateway's own",
    smpp="SMPP: command_status",
    smpp_text=(
        "``smpp:0x58`` is what an SMSC answered.  What the gateway does then can be "
        "changed for one channel: ``status.0x58 = later 5s``.  What is not listed "
        "ends the message, but for 0x400 to 0x4FF, which belong to vendors: those are"
        " tried again."
    ),
    any_="Of every namespace",
    any_text="``twilio:http503``, ``tyntec:unreachable`` and the like.",
    reasons="What a channel says of itself",
    reasons_text="``reason`` in ``gdemoi-sms status`` and on the page, by a word that"
    " is in it.",
    carrier="Receipts of",
    carrier_text="The ``err`` of receipts, with ``error_table = {name}`` in the"
    " channel's section.",
    again="sending it again later may succeed",
)
RUSSIAN: Final = Words(
    language="ru",
    title="Ошибки и что делать",
    head="``code`` из ``error`` в событиях, ответах, ``gdemoi-sms story`` и на странице"
    " состояния.  По-английски: `errors.rst <../errors.rst>`_.",
    to_do="Что делать:",
    own="Ошибки самого шлюза",
    smpp="SMPP: command_status",
    smpp_text=(
        "``smpp:0x58`` — то, что ответил SMS-центр.  Что шлюз делает дальше, можно "
        "изменить для одного канала: ``status.0x58 = later 5s``.  На коде, которого "
        "здесь нет, сообщение кончается; кроме кодов от 0x400 до 0x4FF, которые "
        "каждый производитель понимает по-своему: тогда повтор позже."
    ),
    any_="Общие для всех",
    any_text="``twilio:http503``, ``tyntec:unreachable`` и подобные.",
    reasons="Что канал говорит о себе",
    reasons_text="``reason`` в ``gdemoi-sms status`` и на странице: по слову, которое в"
    " нём есть.",
    carrier="Отчёты:",
    carrier_text="``err`` из отчётов о доставке, если в секции канала задано"
    " ``error_table = {name}``.",
    again="позже может получиться",
)
HEAD: Final = """\
.. Made by "make docs" from the tables of the code: do not edit.
"""


def page(words: Words) -> str:
    """Return the whole page in one language."""
    parts = [HEAD, titled(words.title, "="), filled(words.head)]
    parts += [*_gateway(words), *_smpp(words), *_any(words)]
    for file in sorted(TABLES.glob("*.toml")):
        parts += _carrier(words, tomllib.loads(file.read_text(encoding="utf-8")))
    return "\n".join(parts) + "\n"


def _titled(title: str, text: str = "") -> str:
    told = f"{filled(text)}\n" if text else ""
    return f"\n{titled(title, '-')}\n{told}".rstrip("\n") + "\n"


def _gateway(words: Words) -> Iterator[str]:
    yield _titled(words.own)
    for word, meanings in GATEWAY.items():
        yield _entry(words, f"gateway:{word}", _chosen(words, *meanings))


def _smpp(words: Words) -> Iterator[str]:
    yield _titled(words.smpp, words.smpp_text)
    for status in Status:
        if status is Status.ROK:
            continue
        code = f"smpp:0x{status:02X}"
        verdict = _chosen(words, *VERDICTS[rule_for(status).verdict])
        meaning = _chosen(words, MEANINGS[status], STATUSES_RU[status])
        yield _entry(words, code, f"ESME_{status.name}: {meaning}; {verdict}")


def _any(words: Words) -> Iterator[str]:
    yield _titled(words.any_, words.any_text)
    for word in OF_ANY:
        english = word.replace("http", "HTTP ")
        yield _entry(words, word, _chosen(words, english, ANY_RU[word]), "any:")
    yield _titled(words.reasons, words.reasons_text)
    for reason, russian in REASONS:
        remedy = remedy_of_reason(reason)
        assert remedy is not None, reason
        told = "" if words.language == "en" else f"{russian}. "
        yield _item(reason, f"{told}{_chosen(words, remedy.en, remedy.ru)}")


def _carrier(words: Words, table: dict[str, Any]) -> Iterator[str]:
    name = table["name"]
    yield _titled(f"{words.carrier} {name}", words.carrier_text.format(name=name))
    for number, code in table["codes"].items():
        state = _chosen(words, code["state"], STATES_RU[code["state"]])
        again = f"; {words.again}" if code["retryable"] else ""
        yield _item(f"{name}:{number}", f"{code[words.language]} ({state}{again})")


def _entry(words: Words, code: str, meaning: str, space: str = "") -> str:
    remedy = remedy_of(f"{space}{code}")
    if remedy is None:
        return _item(code, meaning)
    what = _chosen(words, remedy.en, remedy.ru)
    return _item(code, f"{meaning}. **{words.to_do}** {what}", keep="**")


def _item(code: str, text: str, keep: str = "") -> str:
    told = written(text)
    if keep:
        told = told.replace("\\*\\*", "**")
    return f"``{code}``\n{filled(told, '    ')}"


def _chosen(words: Words, english: str, russian: str) -> str:
    return english if words.language == "en" else russian
