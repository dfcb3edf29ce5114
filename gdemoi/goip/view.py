"""What an operator sees of a line: JSON-ready, no secrets."""

from __future__ import annotations

from typing import Any, Final

from gdemoi.goip.lines import Line

# keepalive fields -> our words; the rest is shown under `facts`
_WORDS: Final = {
    "imei": "imei",
    "imsi": "imsi",
    "iccid": "iccid",
    "pro": "operator",
    "CELLINFO": "cell",
    "remain_time": "remain_time",
    "voip_status": "voip_status",
    "SMS_LOGIN": "sms_login",
}
_SHOWN: Final = frozenset({"num", "signal", "gsm_status", *_WORDS})


def line_view(line: Line, now: float) -> dict[str, Any]:
    """Return the present facts of one line."""
    state, reason = line.standing(now)
    unusable = line.unusable(now)
    if state == "up" and unusable is not None:
        state, reason = "degraded", unusable
    exchange = line.exchange
    view: dict[str, Any] = {
        "name": line.name,
        "state": state,
        "reason": reason,
        "number": line.number,
        "signal": line.signal,
        "gsm_status": line.gsm_status,
        "address": None if line.address is None else "{}:{}".format(*line.address),
        "seen_at": line.seen_at,
        "sending": None if exchange is None else exchange.stage.value,
        "waiting": len(line.waiting),
        "sent_today": line.counted(now),
        "daily_limit": line.settings.daily_limit or None,
        "sent": line.sent_total,
        "received": line.received_total,
        "bad_auth": line.bad_auth,
        "call": line.reported.get("STATE"),
        "balance": line.reported.get("balance"),
    }
    for field, word in _WORDS.items():
        view[word] = line.facts.get(field) or None
    view["facts"] = {
        name: value for name, value in line.facts.items() if name not in _SHOWN
    }
    view["told"] = {
        name: value for name, value in line.reported.items() if name != "balance"
    }
    return view
