"""AMQP 0-9-1 as RabbitMQ speaks it, in the form that txamqp loads.

txamqp's package ships no specification file, and none of those in its repository
knows publisher confirms.  So the classes are a table here, in the order of the
AMQP 0-9-1 reference, with RabbitMQ's extensions: confirm.select, basic.nack,
connection.blocked and unblocked, exchange.bind and unbind.

The names of the fields obey txamqp's loader: `invoke` looks for ``nowait``, not
for the standard's ``no-wait``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from txamqp.spec import load_string

FRAME_METHOD: Final = 1
FRAME_HEADER: Final = 2
FRAME_BODY: Final = 3
FRAME_HEARTBEAT: Final = 8
FRAME_END: Final = 206

# The method's line: index name [answer …] ; field:type …
# "+" after the name: carries content.
_CLASSES: Final = """
class connection 10
 10 start > start-ok ; version-major:octet version-minor:octet server-properties:table mechanisms:longstr locales:longstr
 11 start-ok ; client-properties:table mechanism:shortstr response:longstr locale:shortstr
 20 secure > secure-ok ; challenge:longstr
 21 secure-ok ; response:longstr
 30 tune > tune-ok ; channel-max:short frame-max:long heartbeat:short
 31 tune-ok ; channel-max:short frame-max:long heartbeat:short
 40 open > open-ok ; virtual-host:shortstr reserved-1:shortstr reserved-2:bit
 41 open-ok ; reserved-1:shortstr
 50 close > close-ok ; reply-code:short reply-text:shortstr class-id:short method-id:short
 51 close-ok ;
 60 blocked ; reason:shortstr
 61 unblocked ;
 70 update-secret > update-secret-ok ; new-secret:longstr reason:shortstr
 71 update-secret-ok ;
class channel 20
 10 open > open-ok ; reserved-1:shortstr
 11 open-ok ; reserved-1:longstr
 20 flow > flow-ok ; active:bit
 21 flow-ok ; active:bit
 40 close > close-ok ; reply-code:short reply-text:shortstr class-id:short method-id:short
 41 close-ok ;
class exchange 40
 10 declare > declare-ok ; reserved-1:short exchange:shortstr type:shortstr passive:bit durable:bit auto-delete:bit internal:bit nowait:bit arguments:table
 11 declare-ok ;
 20 delete > delete-ok ; reserved-1:short exchange:shortstr if-unused:bit nowait:bit
 21 delete-ok ;
 30 bind > bind-ok ; reserved-1:short destination:shortstr source:shortstr routing-key:shortstr nowait:bit arguments:table
 31 bind-ok ;
 40 unbind > unbind-ok ; reserved-1:short destination:shortstr source:shortstr routing-key:shortstr nowait:bit arguments:table
 51 unbind-ok ;
class queue 50
 10 declare > declare-ok ; reserved-1:short queue:shortstr passive:bit durable:bit exclusive:bit auto-delete:bit nowait:bit arguments:table
 11 declare-ok ; queue:shortstr message-count:long consumer-count:long
 20 bind > bind-ok ; reserved-1:short queue:shortstr exchange:shortstr routing-key:shortstr nowait:bit arguments:table
 21 bind-ok ;
 30 purge > purge-ok ; reserved-1:short queue:shortstr nowait:bit
 31 purge-ok ; message-count:long
 40 delete > delete-ok ; reserved-1:short queue:shortstr if-unused:bit if-empty:bit nowait:bit
 41 delete-ok ; message-count:long
 50 unbind > unbind-ok ; reserved-1:short queue:shortstr exchange:shortstr routing-key:shortstr arguments:table
 51 unbind-ok ;
class basic 60 ; content-type:shortstr content-encoding:shortstr headers:table delivery-mode:octet priority:octet correlation-id:shortstr reply-to:shortstr expiration:shortstr message-id:shortstr timestamp:timestamp type:shortstr user-id:shortstr app-id:shortstr cluster-id:shortstr
 10 qos > qos-ok ; prefetch-size:long prefetch-count:short global:bit
 11 qos-ok ;
 20 consume > consume-ok ; reserved-1:short queue:shortstr consumer-tag:shortstr no-local:bit no-ack:bit exclusive:bit nowait:bit arguments:table
 21 consume-ok ; consumer-tag:shortstr
 30 cancel > cancel-ok ; consumer-tag:shortstr nowait:bit
 31 cancel-ok ; consumer-tag:shortstr
 40 publish + ; reserved-1:short exchange:shortstr routing-key:shortstr mandatory:bit immediate:bit
 50 return + ; reply-code:short reply-text:shortstr exchange:shortstr routing-key:shortstr
 60 deliver + ; consumer-tag:shortstr delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr
 70 get > get-ok get-empty ; reserved-1:short queue:shortstr no-ack:bit
 71 get-ok + ; delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr message-count:long
 72 get-empty ; reserved-1:shortstr
 80 ack ; delivery-tag:longlong multiple:bit
 90 reject ; delivery-tag:longlong requeue:bit
 100 recover-async ; requeue:bit
 110 recover > recover-ok ; requeue:bit
 111 recover-ok ;
 120 nack ; delivery-tag:longlong multiple:bit requeue:bit
class confirm 85
 10 select > select-ok ; nowait:bit
 11 select-ok ;
class tx 90
 10 select > select-ok ;
 11 select-ok ;
 20 commit > commit-ok ;
 21 commit-ok ;
 30 rollback > rollback-ok ;
 31 rollback-ok ;
"""  # noqa: E501

_CONSTANTS: Final = (
    ("frame-method", FRAME_METHOD),
    ("frame-header", FRAME_HEADER),
    ("frame-body", FRAME_BODY),
    ("frame-heartbeat", FRAME_HEARTBEAT),
    ("frame-end", FRAME_END),
)


def xml() -> str:
    """Return the specification as the XML that txamqp reads."""
    parts = ['<?xml version="1.0"?><amqp major="0" minor="9">']
    parts += [f'<constant name="{n}" value="{v}"/>' for n, v in _CONSTANTS]
    opened = False
    for line in _CLASSES.strip().splitlines():
        head, _, fields = line.partition(";")
        if head.startswith("class "):
            parts.append("</class>" * opened)
            _, name, index = head.split()
            parts.append(f'<class name="{name}" index="{index}" handler="channel">')
            parts.append(_fields(fields))
            opened = True
        else:
            parts.append(_method(head, fields))
    parts.append("</class></amqp>")
    return "".join(parts)


def _method(head: str, fields: str) -> str:
    head, _, answers = head.partition(">")
    index, name, *content = head.split()
    carries = ' content="1"' if content else ""
    expected = "".join(f'<response name="{answer}"/>' for answer in answers.split())
    # The text is for the loader, which fails on a method without any.
    return (
        f'<method name="{name}" index="{index}"{carries}>{name}'
        f"{expected}{_fields(fields)}</method>"
    )


def _fields(fields: str) -> str:
    pairs = (field.split(":") for field in fields.split())
    return "".join(f'<field name="{name}" type="{type_}"/>' for name, type_ in pairs)


@lru_cache(maxsize=1)
def spec() -> Any:
    """Return txamqp's object model of it, loaded once."""
    return load_string(xml())
