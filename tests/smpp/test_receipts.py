import json
from datetime import UTC, timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import MessageState, provider_key
from gdemoi.moments import rfc3339
from gdemoi.smpp.receipts import (
    DOUBT_AFTER,
    NOTHING,
    STATE_OF_WORD,
    SURE_AFTER,
    IdForm,
    IdForms,
    ReceiptText,
    as_form,
    facts_of,
    parse_date,
    parse_text,
    text_of,
)
from gdemoi.text import gsm7

VECTORS = json.loads(
    (Path(__file__).parent / "vectors" / "receipt.json").read_text("utf-8")
)
PLAIN = (
    b"id:4d0fe926 sub:001 dlvrd:001 submit date:1702051010"
    b" done date:1702051011 stat:DELIVRD err:000"
)


class ReceiptTextTests(SynchronousTestCase):
    def test_texts_of_the_wild(self) -> None:
        """Every dialect that was seen is read, and ids stay as they came."""
        for vector in VECTORS:
            read = parse_text(bytes.fromhex(vector["short_message"]))
            self.assertEqual(read, ReceiptText(**vector["fields"]), vector["name"])
            self.assertEqual(read.is_receipt, vector["is_receipt_text"], vector["name"])

    def test_packed_septets(self) -> None:
        """A carrier whose default is packed packs its receipts as well."""
        # of each length, since seven spare bits look like an eighth septet
        for number in range(8):
            text = f"{PLAIN.decode()} text:{'x' * number}"
            octets = gsm7.pack(gsm7.encode(text))
            self.assertFalse(parse_text(octets).is_receipt)
            self.assertEqual(text_of(octets), parse_text(text.encode()))

    def test_utf_16_of_either_order_without_a_mark(self) -> None:
        """With letters of any script in its text."""
        text = f"{PLAIN.decode()} text:Где машина?"
        for codec in ("utf-16-le", "utf-16-be"):
            read = text_of(text.encode(codec))
            self.assertEqual((read.id, read.stat), ("4d0fe926", "DELIVRD"))

    @given(st.binary(max_size=600))
    def test_octets_of_any_kind_never_raise(self, octets: bytes) -> None:
        """Whatever they are tried as."""
        self.assertIsInstance(text_of(octets), ReceiptText)

    def test_other_order(self) -> None:
        """Labels may stand in any order."""
        read = parse_text(b"stat:UNDELIV err:104 id:7 done date:1702051011")
        self.assertEqual((read.id, read.stat, read.err), ("7", "UNDELIV", "104"))

    def test_quoted_as_the_manual_prints_it(self) -> None:
        """Quotes around the whole receipt belong to no field."""
        read = parse_text(b'"' + PLAIN + b'"')
        self.assertEqual(read, parse_text(PLAIN))

    def test_the_first_of_two_labels_counts(self) -> None:
        """A second id does not replace the first."""
        self.assertEqual(parse_text(b"id:1 stat:DELIVRD id:2").id, "1")

    def test_a_text_without_labels_is_nothing(self) -> None:
        """What is no receipt has no field."""
        self.assertEqual(parse_text(b"paid: yes, valid:no"), NOTHING)

    @given(st.binary(max_size=300))
    def test_never_raises(self, octets: bytes) -> None:
        """Any octets are some receipt text, or none."""
        self.assertIsInstance(parse_text(octets), ReceiptText)

    @given(
        st.lists(
            st.sampled_from(
                [b"id:", b"ID :", b"stat:", b"DELIVRD", b" ", b"err:", b"text:", b"7"]
            ),
            max_size=12,
        )
    )
    def test_pieces_of_receipts_never_raise(self, pieces: list[bytes]) -> None:
        """Nor does what nearly is one."""
        read = parse_text(b"".join(pieces))
        self.assertTrue(read.id is None or read.id == read.id.strip())


class DateTests(SynchronousTestCase):
    def test_lengths(self) -> None:
        """Ten, twelve and fourteen digits are dates."""
        at = 1486289460.0
        self.assertEqual(parse_date("1702051011", UTC), at)
        self.assertEqual(parse_date("170205101100", UTC), at)
        self.assertEqual(parse_date("20170205101100", UTC), at)

    def test_a_bad_date_is_no_date(self) -> None:
        """Zeros, words, a thirteenth month: None."""
        for bad in ("0000000000", "1713051011", "yesterday", "", None, "²²²²²²²²²²"):
            self.assertIsNone(parse_date(bad))

    @given(
        st.sampled_from(["00010101000000", "99991231235959", "9912312359"])
        | st.text("0123456789", max_size=16),
        st.integers(-14, 14),
    )
    def test_any_digits(self, digits: str, hours: int) -> None:
        """None, or a time that can be told, also at the ends of the calendar."""
        at = parse_date(digits, timezone(timedelta(hours=hours)))
        if at is not None:
            self.assertEqual(len(rfc3339(at)), 24)


class FactsTests(SynchronousTestCase):
    def test_told_by_class(self) -> None:
        """esm_class 0x04 is a receipt, and 0x44 is one with a header."""
        for esm_class in (0x04, 0x44, 0x07):
            facts = facts_of(esm_class, PLAIN)
            assert facts is not None
            self.assertEqual(
                (facts.id, facts.state), ("4d0fe926", MessageState.DELIVERED)
            )

    def test_a_phone_cannot_forge_one(self) -> None:
        """The text alone makes no receipt, unless the operator says so."""
        self.assertIsNone(facts_of(0x00, PLAIN))
        self.assertIsNotNone(facts_of(0x00, PLAIN, by_text=True))
        self.assertIsNone(facts_of(0x00, b"hello", by_text=True))

    def test_tlvs_win_over_the_text(self) -> None:
        """Id and state of the TLVs are trusted first."""
        facts = facts_of(0x04, PLAIN, b"other-id\0", 5)
        assert facts is not None
        self.assertEqual(
            (facts.id, facts.state), ("other-id", MessageState.UNDELIVERED)
        )

    def test_tlvs_alone(self) -> None:
        """A receipt without text and without class is known by its two TLVs."""
        facts = facts_of(0x00, b"", b"77", 2, b"\x03\x00\x0b")
        assert facts is not None
        self.assertEqual((facts.id, facts.state), ("77", MessageState.DELIVERED))
        self.assertEqual(facts.err, "11")
        self.assertIsNone(facts_of(0x00, b"", b"77"))

    def test_an_id_without_its_nul(self) -> None:
        """The NUL at the end may be missing; what follows one is no id."""
        for value in (b"77", b"77\0", b"77\0junk"):
            facts = facts_of(0x04, b"", value, 2)
            assert facts is not None
            self.assertEqual(facts.id, "77")

    def test_intermediate_is_not_final(self) -> None:
        """A failure told by an intermediate notification may still be delivered."""
        text = PLAIN.replace(b"DELIVRD", b"UNDELIV")
        facts = facts_of(0x20, text)
        assert facts is not None
        self.assertEqual(facts.state, MessageState.ENROUTE)

    def test_unknown_states_are_data(self) -> None:
        """A word nobody knows is no state, and does not raise."""
        facts = facts_of(0x04, PLAIN.replace(b"DELIVRD", b"TELEPRT"))
        assert facts is not None
        self.assertIsNone(facts.state)
        facts = facts_of(0x04, PLAIN, b"1", 200)
        assert facts is not None
        self.assertEqual(facts.state, MessageState.DELIVERED)

    def test_unknown_is_no_last_word(self) -> None:
        """stat:UNKNOWN and message_state 7 tell no state."""
        text = PLAIN.replace(b"DELIVRD", b"UNKNOWN")
        for facts in (
            facts_of(0x04, text),
            facts_of(0x04, text, b"1", 7),
            facts_of(0x04, b"id:1 stat:unknown"),
            facts_of(0x04, b"", b"1", 7),
        ):
            assert facts is not None
            self.assertEqual((facts.word, facts.state), ("UNKNOWN", None))

    def test_who_knows_speaks(self) -> None:
        """One witness that does not know leaves it to the other."""
        for facts in (
            facts_of(0x04, PLAIN, b"1", 7),
            facts_of(0x04, PLAIN.replace(b"DELIVRD", b"UNKNOWN"), b"1", 2),
        ):
            assert facts is not None
            self.assertEqual(
                (facts.word, facts.state), ("DELIVRD", MessageState.DELIVERED)
            )

    def test_both_ids_are_told(self) -> None:
        """The TLV's id first, then the text's; one id once."""
        for tlv, ids in (
            (b"FOREIGN99\0", ("FOREIGN99", ("4d0fe926",))),
            (b"0\0", ("0", ("4d0fe926",))),
            (b"4d0fe926\0", ("4d0fe926", ())),
            (b"\0", ("4d0fe926", ())),
        ):
            facts = facts_of(0x04, PLAIN, tlv, 2)
            assert facts is not None
            self.assertEqual((facts.id, facts.also), ids)

    def test_types_beside_the_usual_ones(self) -> None:
        """A type and a receipt's text: no phone sends both."""
        for esm_class in (0x08, 0x0C, 0x10, 0x24, 0x48):
            self.assertIsNotNone(facts_of(esm_class, PLAIN), hex(esm_class))
            self.assertIsNone(facts_of(esm_class & ~0x24, b"hello"), hex(esm_class))
        facts = facts_of(0x24, PLAIN.replace(b"DELIVRD", b"UNDELIV"))
        assert facts is not None
        self.assertIs(facts.state, MessageState.ENROUTE)

    def test_one_tlv_and_the_text(self) -> None:
        """esm_class 0 with either TLV and a receipt's text."""
        self.assertIsNotNone(facts_of(0x00, PLAIN, b"77"))
        self.assertIsNotNone(facts_of(0x00, PLAIN, None, 2))
        self.assertIsNone(facts_of(0x00, b"hello", b"77"))

    def test_full_words_and_lower_case(self) -> None:
        """DELIVERED, delivrd and BUFFRED mean what they say."""
        for word, state in (
            (b"DELIVERED", MessageState.DELIVERED),
            (b"delivrd", MessageState.DELIVERED),
            (b"BUFFRED", MessageState.ENROUTE),
            (b"FAILED", MessageState.UNDELIVERED),
            (b"REJECTED", MessageState.REJECTED),
        ):
            facts = facts_of(0x04, PLAIN.replace(b"DELIVRD", word))
            assert facts is not None
            self.assertEqual(facts.state, state, word)
        self.assertEqual(STATE_OF_WORD["EXPIRED"], MessageState.EXPIRED)


# how an id is written in the response and in the receipt, and the rule for it
SPELLINGS = [
    ("{0}", "{0}", IdForm.SAME),
    ("{0:x}", "{0:X}", IdForm.SAME),
    ("{0:08x}", "{0:x}", IdForm.SAME),
    ("{0:x}", "{0}", IdForm.HEX_DEC),
    ("{0:08X}", "{0:010d}", IdForm.HEX_DEC),
    ("{0}", "{0:x}", IdForm.DEC_HEX),
    ("{0:010d}", "{0:08X}", IdForm.DEC_HEX),
    ("0e999f21-81ef-4974-a414-{0:012x}", "0E999F21-81EF-4974-A414-{0:012X}", "same"),
]


class IdTests(SynchronousTestCase):
    def test_all_forms_match_under_the_right_setting(self) -> None:
        """The stored form of the response's id is the key of the receipt's."""
        for response, receipt, form in SPELLINGS:
            for number in (1, 255, 1292888358, 2**63 + 11):
                stored = provider_key(response.format(number))
                forms = IdForms(IdForm(form))
                self.assertEqual(forms.keys(receipt.format(number)), (stored,))

    def test_auto_holds_the_right_key(self) -> None:
        """Unlearned, every form is looked for."""
        for response, receipt, _ in SPELLINGS:
            stored = provider_key(response.format(1292888358))
            self.assertIn(stored, IdForms().keys(receipt.format(1292888358)))

    def test_what_is_no_number_has_one_form(self) -> None:
        """Words, UUIDs and ids of 65 digits are only themselves."""
        for odd in ("SAR-2347039245475-1", "1_0", " ", "²", "9" * 65, "+5", "0x1f"):
            self.assertIsNone(as_form(odd, IdForm.HEX_DEC), odd)
            self.assertIsNone(as_form(odd, IdForm.DEC_HEX), odd)

    def test_an_empty_id_has_no_key(self) -> None:
        """A receipt without id is looked for nowhere."""
        self.assertEqual(IdForms().keys(""), ())

    def test_the_form_is_learned_and_doubted(self) -> None:
        """Enough matches of one form make it the rule; misses in a row undo it."""
        forms = IdForms()
        for number in range(1000, 1000 + SURE_AFTER):
            self.assertIsNone(forms.learned)
            forms.learn(str(number), f"{number:x}")
        self.assertEqual(forms.learned, IdForm.HEX_DEC)
        self.assertEqual(forms.keys("4096"), ("1000",))
        for _ in range(DOUBT_AFTER):
            forms.learn("5000", None)
        self.assertIsNone(forms.learned)

    def test_what_fits_two_forms_teaches_nothing(self) -> None:
        """`7` is seven in every base."""
        forms = IdForms()
        for _ in range(50):
            forms.learn("7", "7")
        self.assertIsNone(forms.learned)

    @given(st.text(max_size=80))
    def test_any_id_has_keys_and_nothing_raises(self, receipt_id: str) -> None:
        """Ids are text from afar."""
        keys = IdForms().keys(receipt_id)
        if receipt_id.strip():
            self.assertIn(provider_key(receipt_id), keys)
