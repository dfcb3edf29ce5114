"""Receipts: which message one is about, and what is kept until that is known.

The rule (`choose`) works on values.  The exact spelling of an id wins; another
spelling of the same id counts only when exactly one unfinished message fits it and the
phone number in the receipt is that message's: a wrong match is worse than none.

A receipt may come before the answer that brings its provider id.  It is kept unmatched
then, by the keys of all ids that it names, and applied when the answer comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gdemoi.contract.numbers import is_spelling_of
from gdemoi.facts import AttemptEnded, Fact
from gdemoi.journal.message_cache import CachedMessage
from gdemoi.journal.message_state import receive
from gdemoi.journal.transaction import Transaction
from gdemoi.message import Receipt, ReceiptMatch, ids_in, provider_key

# A carrier that repeats its receipts does so soon; an id that comes up again
# long after its message was over belongs to another one (ids are recycled).
REPEAT_WINDOW_S: Final = 86_400.0


class Candidate(msgspec.Struct, frozen=True):
    """A stored provider id and the message that it belongs to."""

    key: str
    provider_id: str
    message_id: str
    to: str
    outstanding: bool
    at: float


def witnesses(receipt: Receipt) -> list[Receipt]:
    """Return the receipt once for each id that it names, the most trusted first."""
    return [receipt] + [
        msgspec.structs.replace(receipt, provider_id=one.id, keys=one.keys)
        for one in receipt.also
    ]


def all_keys_of(receipt: Receipt) -> tuple[str, ...]:
    """Return the stored forms of all ids that a receipt names."""
    if not receipt.also:
        return keys_of(receipt)
    return tuple(key for one in witnesses(receipt) for key in keys_of(one))


def keys_of(receipt: Receipt) -> tuple[str, ...]:
    """Return the stored forms of its first id, best guess first."""
    if not receipt.provider_id:
        return receipt.keys
    own = provider_key(receipt.provider_id)
    return receipt.keys if own in receipt.keys else (*receipt.keys, own)


def speaks_of(about: str | None, to: str) -> bool:
    """Tell whether the number in a receipt can be the message's recipient.

    Carriers leave out the country code, or write a trunk prefix.
    """
    if not about or (about.isdigit() and to.endswith(about)):
        return True
    digits = "".join(filter(str.isdigit, about)).lstrip("0")
    if not digits or "".join(filter(str.isdigit, to)).endswith(digits):
        return True
    # with a trunk prefix: 8 916 123-45-67
    return is_spelling_of(about, to)


def choose(
    receipt: Receipt, candidates: Sequence[Candidate], now: float
) -> Candidate | None:
    """Return the message that the receipt is about, or None when in doubt."""
    fitting = [c for c in candidates if speaks_of(receipt.about, c.to)]
    if receipt.keys and provider_key(receipt.provider_id) not in receipt.keys:
        # the channel knows for sure that this account spells its ids otherwise
        translated = [c for c in fitting if c.key in receipt.keys]
        return _one(translated) or _exact(receipt, candidates, fitting, now)
    return _exact(receipt, candidates, fitting, now) or _one(fitting)


def _exact(
    receipt: Receipt,
    candidates: Sequence[Candidate],
    fitting: Sequence[Candidate],
    now: float,
) -> Candidate | None:
    """Return the message whose id is spelled the same; an open one first."""
    exact = [c for c in candidates if c.provider_id == receipt.provider_id]
    exact = [c for c in exact if c in fitting] or exact
    # the same id twice outstanding: the carrier means the newest
    named = [c for c in exact if c.outstanding] or [
        c for c in exact if c in fitting and now - c.at < REPEAT_WINDOW_S
    ]
    return max(named, key=lambda c: c.at, default=None)


def _one(fitting: Sequence[Candidate]) -> Candidate | None:
    """Return the only outstanding message that fits."""
    found = [c for c in fitting if c.outstanding]
    return found[0] if len({c.message_id for c in found}) == 1 else None


# A carrier that sends us the receipts of somebody else must not fill the disk.
UNMATCHED_LIMIT: Final = 100_000

# a message, its provider id as it is stored, the key and the id that led there
Found = tuple[CachedMessage, str, str, str]

_encode = msgspec.msgpack.Encoder().encode
decode_receipt = msgspec.msgpack.Decoder(Receipt).decode


def note(transaction: Transaction, fact: Fact) -> bool:
    """Record a fact, and the provider ids that it brings."""
    counted, entry = transaction.note(fact)
    if isinstance(fact, AttemptEnded) and entry is not None:
        ids = ids_in(fact.outcome)
        if ids:
            _provide(transaction, entry, fact.account, ids)
    return counted


def _provide(
    transaction: Transaction,
    entry: CachedMessage,
    account: str,
    provider_ids: tuple[str, ...],
) -> None:
    """Store the provider ids of an answer, and apply receipts that came before it."""
    known = [i for a in entry.record.attempts for i in a.provider_ids]
    for provider_id in dict.fromkeys(provider_ids):
        if provider_id not in known:
            continue
        key = provider_key(provider_id)
        transaction.provided(entry, account, key, provider_id)
        if transaction.unmatched_count:
            _match_early(transaction, account, key)


def _match_early(transaction: Transaction, account: str, key: str) -> None:
    """Apply receipts that came before the answer to their message."""
    found = transaction.statements.find_unmatched
    for n, body in transaction.database.rows(found, (account, key)):
        receipt = decode_receipt(body)
        if _apply(transaction, receipt, transaction.now) is not None:
            remove_unmatched(transaction, n, receipt)


def remove_unmatched(transaction: Transaction, n: int, receipt: Receipt) -> None:
    """Take a receipt out of the unmatched ones."""
    s = transaction.statements
    transaction.database.run(s.delete_unmatched, (n,))
    for key in all_keys_of(receipt):
        transaction.database.run(s.delete_unmatched_key, (receipt.account, key, n))
    transaction.unmatched_count -= 1


def note_receipt(
    transaction: Transaction, receipt: Receipt, now: float
) -> ReceiptMatch | None:
    """Apply a receipt to its message, or keep it unmatched (None)."""
    match = _apply(transaction, receipt, now)
    if match is None:
        _keep(transaction, receipt, now)
    return match


def _keep(transaction: Transaction, receipt: Receipt, now: float) -> None:
    """Keep a receipt that matches nothing yet; the oldest one makes room."""
    s = transaction.statements
    if transaction.unmatched_count >= UNMATCHED_LIMIT:
        for n, _, body in transaction.database.rows(s.old_unmatched, (now, 1)):
            remove_unmatched(transaction, n, decode_receipt(body))
    n = transaction.bump("n", 1)
    transaction.database.run(s.insert_unmatched, (n, now, _encode(receipt)))
    rows = [(receipt.account, key, n) for key in dict.fromkeys(all_keys_of(receipt))]
    transaction.database.many(s.insert_unmatched_key, rows)
    transaction.unmatched_count += 1


def _apply(
    transaction: Transaction, receipt: Receipt, now: float
) -> ReceiptMatch | None:
    """Apply a receipt to the message that it is about; None: there is none."""
    found = _find(transaction, receipt, now)
    if found is None:
        return None
    entry, provider_id, key, by = found
    _, events = receive(entry.record, receipt, provider_id, now, by)
    transaction.changed(entry, events)
    if events and events[-1].final:
        transaction.ended_by_receipt(entry, events[-1])
    return ReceiptMatch(entry.id, provider_id or receipt.provider_id, key)


def _find(transaction: Transaction, receipt: Receipt, now: float) -> Found | None:
    """Return the message of a receipt, and what led there."""
    provider_id = receipt.provider_id
    entry = transaction.cache.by_provider.get((receipt.account, provider_id))
    if entry is not None and not entry.record.final:
        key = provider_key(provider_id)
        certain = not receipt.keys or key in receipt.keys
        if certain and speaks_of(receipt.about, entry.message.to):
            return entry, provider_id, key, provider_id
    if receipt.message_id is not None:
        entry = transaction.cache.entry(receipt.message_id)
        if entry is not None and receipt.channel in entry.record.tried:
            ids = [i for a in entry.record.attempts for i in a.provider_ids]
            known = provider_id if provider_id in ids else ""
            return entry, known, "", known or receipt.message_id
    return _by_receipt_ids(transaction, receipt, now)


def _by_receipt_ids(
    transaction: Transaction, receipt: Receipt, now: float
) -> Found | None:
    """Look for each id that the receipt names; an exact spelling goes first."""
    best: Found | None = None
    for receipt_id in witnesses(receipt):
        candidates, entries = _candidates(transaction, receipt_id)
        chosen = choose(receipt_id, candidates, now)
        if chosen is None:
            continue
        entry = entries[chosen.message_id]
        found = entry, chosen.provider_id, chosen.key, receipt_id.provider_id
        if not receipt.also or chosen.provider_id == receipt_id.provider_id:
            return found
        best = best or found
    return best


def _candidates(
    transaction: Transaction, receipt: Receipt
) -> tuple[list[Candidate], dict[str, CachedMessage]]:
    """Read the messages that a receipt may be about."""
    found, entries = [], {}
    for key in dict.fromkeys(keys_of(receipt)):
        for row in transaction.found(receipt.account, key):
            stored_key, provider_id, *whole = row
            entry = transaction.cache.adopt(whole)
            record = entry.record
            entries[entry.id] = entry
            found.append(
                Candidate(
                    stored_key,
                    provider_id,
                    entry.id,
                    entry.message.to,
                    not record.final,
                    record.at,
                )
            )
    return found, entries
