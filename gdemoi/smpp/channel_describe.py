"""What an operator sees of an SMPP channel: JSON-ready, no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdemoi.smpp.pdu.statuses import name_of

if TYPE_CHECKING:
    from gdemoi.smpp.channel import SmppChannel
    from gdemoi.smpp.channel_links import Link


def describe(channel: SmppChannel) -> dict[str, Any]:
    """Return the channel's state, its binds, what it learned, and counters."""
    sender, deliveries, ids = channel.sender, channel.deliveries, channel.ids
    learned = ids.learned
    return {
        "state": channel.state,
        "reason": channel.reason,
        "lines": [],
        "balance": None,
        "account": channel.account,
        "system_id": channel.settings.system_id,
        "binds": [_bind(link) for link in channel.links],
        "outbinds": len(channel.outbind.sessions),
        "window": channel.settings.window,
        "queued": len(sender),
        "receipt_id": {
            "form": None if learned is None else learned.value,
            "seen": {form.value: count for form, count in ids.counts.items()},
        },
        "counters": {
            "accepted": sender.accepted,
            "refused": sender.refused,
            "unsure": sender.unsure,
            "late": sender.late,
            "receipts": deliveries.receipts,
            "receipts_unmatched": deliveries.unmatched,
            "messages_in": deliveries.messages,
            "deliveries_deferred": deliveries.deferred,
            "deliveries_waiting": deliveries.waiting,
        },
        "throttled": sender.statuses[0x58] + sender.statuses[0x14],
        "refusals": {
            f"0x{status:02X} {name_of(status)}": count
            for status, count in sender.statuses.most_common(20)
        },
        "noted": dict(sorted(channel.noted.items(), key=lambda item: -item[1])[:20]),
    }


def _bind(link: Link) -> dict[str, Any]:
    keeper = link.keeper
    session = link.esme.session if link.esme is not None else None
    bound = link.bound_as
    return {
        "name": link.name,
        "state": keeper.state.value,
        "reason": keeper.reason,
        "host": str(link.hosts.present),
        "failures": keeper.failures,
        "next_try_at": keeper.next_try_at,
        "connections": link.connections,
        "smsc": bound.system_id if session is not None and bound is not None else None,
        "version": _version(bound.sc_interface_version) if bound is not None else None,
        "tlvs": session.tlvs if session is not None else None,
        "session": session.state.value if session is not None else None,
        "unanswered": session.unanswered if session is not None else 0,
        "round_trip_ms": _ms(session.round_trip_s) if session is not None else None,
    }


def _version(number: int | None) -> str | None:
    return None if number is None else f"{number >> 4}.{number & 15}"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
