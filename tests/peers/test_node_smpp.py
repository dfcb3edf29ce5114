"""Our ESME against an SMSC upon npm `smpp` (node-smpp), over loopback.

What was sent is judged by node-smpp's reading of it (`read`), and by the octets
(`hex`) where that reading is too kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdemoi.interfaces import Prepared
from gdemoi.keeper import KeeperState
from gdemoi.message import Accepted, Charset, Refused, Scope, State, Unsure
from gdemoi.smpp.settings import BindAs, Receipts, Tlvs, Validity
from gdemoi.text.segments import Method
from tests.peers.case import NodeCase
from tests.peers.certificates import self_signed
from tests.peers.peer import Seen

GSM = "Ignition on [12:30] at €5, {A}|~ @ $ _ " * 9
CYRILLIC = "Тревога: вскрыт багажник 😀, ул. Ленина, 5. " * 9
THROTTLED = 0x58


def text_in(submit: Seen) -> str:
    """Return the text as node-smpp has read it."""
    read = submit["read"]
    body = read["short_message"]["message"] or read["message_payload"]["message"]
    return str(body)


def header_in(submit: Seen) -> str:
    """Return the information elements as node-smpp has read them, in hex."""
    return "".join(e["hex"] for e in submit["read"]["short_message"].get("udh", ()))


def tag_of(submit: Seen, *tags: str) -> list[Any]:
    """Return TLVs by name, None where there is none."""
    return [submit["read"].get(tag) for tag in tags]


class BindTests(NodeCase):
    async def test_a_transceiver_binds_with_what_the_ini_says(self) -> None:
        """Each field of the bind arrives as it was set."""
        await self.node()
        await self.bound(
            system_type="TRACK", address_ton=1, address_npi=1, address_range="^7916"
        )
        (bind,) = self.peer.pdus()
        self.assertEqual((bind["command"], bind["sequence"]), ("bind_transceiver", 1))
        expected = {
            "system_id": "esme",
            "password": "secret",
            "system_type": "TRACK",
            "interface_version": 0x34,
            "addr_ton": 1,
            "addr_npi": 1,
            "address_range": "^7916",
        }
        self.assertEqual(bind["read"], {**bind["read"], **expected})
        (shown,) = self.channel.describe()["binds"]
        self.assertEqual((shown["smsc"], shown["version"]), ("NODE", "3.4"))
        self.assertTrue(shown["tlvs"])

    async def test_a_pair_submits_here_and_receives_there(self) -> None:
        """Response and receipt meet, though each comes over its own connection."""
        await self.node()
        await self.bound(bind=BindAs.PAIR)
        kinds = {
            bind["command"]: bind["session"]
            for bind in self.peer.pdus("bind_transmitter", "bind_receiver")
        }
        self.assertEqual(len(set(kinds.values())), 2)
        outcome = await self.submit(self.message())
        self.assertEqual(outcome, Accepted(provider_ids=("1001",)))
        (submit,) = self.peer.pdus("submit_sm")
        self.assertEqual(submit["session"], kinds["bind_transmitter"])
        self.upstairs.learn("m1", "1001")
        await self.peer.order("deliver", **receipt("1001"))
        answer = await self.peer.saw_pdu("deliver_sm_resp")
        self.assertEqual(answer["session"], kinds["bind_receiver"])
        (match,) = self.upstairs.matches
        assert match is not None
        self.assertEqual(match.message_id, "m1")

    async def test_a_wrong_password_is_not_tried_again_soon(self) -> None:
        """One bind, a reason that names the status, a pause of credential_retry."""
        await self.node(password="other")
        channel = self.connect(credential_retry_s=300.0)
        (link,) = channel.links
        await self.upstairs.watch.until(
            lambda: link.keeper.state is KeeperState.REFUSED, "a refusal"
        )
        await self.peer.catch_up()
        self.assertIn("ESME_RINVPASWD", channel.unable() or "")
        assert link.keeper.next_try_at is not None
        now = self.channel._clock.seconds()
        self.assertGreater(link.keeper.next_try_at - now, 250)
        self.assertEqual(len(self.peer.pdus()), 1)
        await self.peer.saw("closed")

    async def test_without_transceiver_it_becomes_a_pair(self) -> None:
        """ESME_RINVCMDID to bind_transceiver: two binds, and messages flow."""
        await self.node(transceiver=False)
        await self.bound()
        self.assertEqual(
            sorted(bind["command"] for bind in self.peer.pdus()),
            ["bind_receiver", "bind_transceiver", "bind_transmitter"],
        )
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_version_33(self) -> None:
        """interface_version 0x33, and no TLV although vendor TLVs are set."""
        await self.node(version=0)
        await self.bound(
            version="3.3", bind=BindAs.PAIR, vendor_tlvs={"0x1403": b"\x01"}
        )
        for bind in self.peer.pdus():
            self.assertEqual(bind["read"]["interface_version"], 0x33)
        await self.submit(self.message())
        (submit,) = self.peer.pdus("submit_sm")
        self.assertTrue(submit["hex"].endswith(b"\x05Hello".hex()))

    async def test_no_tlv_to_an_smsc_that_names_no_version(self) -> None:
        """Payload and SAR go as headers when the bind's answer has no version."""
        await self.node(version=0)
        await self.bound(long_messages=Method.PAYLOAD)
        await self.submit(self.message(GSM))
        submits = self.peer.pdus("submit_sm")
        self.assertEqual(tag_of(submits[0], "message_payload"), [None])
        self.assertEqual("".join(map(text_in, submits)), GSM)

    async def test_an_outbind_is_answered_by_a_bind(self) -> None:
        """They knock, we bind as receiver over their connection, and they deliver."""
        await self.node()
        await self.bound(
            bind=BindAs.TRANSMITTER,
            outbind_listen="tcp:0:interface=127.0.0.1",
            outbind_password="knock",
        )
        port = self.channel.outbind._port.getHost().port
        await self.peer.order("outbind", port=port, password="wrong")
        await self.peer.saw("closed", session=2)
        await self.peer.order("outbind", port=port, password="knock")
        bind = await self.peer.saw_pdu("bind_receiver")
        self.assertEqual((bind["session"], bind["read"]["password"]), (3, "secret"))
        await self.peer.order("deliver", text="Hi", fields={"source_addr": "7916"})
        answer = await self.peer.saw_pdu("deliver_sm_resp")
        self.assertEqual((answer["session"], answer["status"]), (3, 0))
        self.assertEqual(self.upstairs.inbounds[0].text, "Hi")
        self.assertEqual(self.peer.pdus("bind_receiver"), [bind])

    async def test_tls_with_an_authority_of_ones_own(self) -> None:
        """Bound over TLS: tls_ca trusts the certificate, tls_name is its name."""
        key, certificate = self_signed("smsc.example.org", self.mktemp())
        await self.node(key=key, cert=certificate)
        await self.bound(tls=True, tls_ca=certificate, tls_name="smsc.example.org")
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_tls_with_another_name_is_refused(self) -> None:
        """A certificate for another name ends it before the password is sent."""
        key, certificate = self_signed("other.example.org", self.mktemp())
        await self.node(key=key, cert=certificate)
        channel = self.connect(
            tls=True, tls_ca=certificate, tls_name="smsc.example.org"
        )
        (link,) = channel.links
        await self.upstairs.watch.until(lambda: link.keeper.failures > 1, "failures")
        await self.peer.catch_up()
        self.assertEqual(self.peer.pdus(), [])
        self.assertIsNotNone(channel.unable())


class LongMessageTests(NodeCase):
    """One text in each of the four forms, read back by node-smpp."""

    async def _forms(
        self, method: Method, check: Callable[[list[Seen]], None], **settings: Any
    ) -> None:
        await self.node()
        await self.bound(long_messages=method, **settings)
        self.assertTrue(self.channel.describe()["binds"][0]["tlvs"])
        for text, coding in ((GSM, 0), (CYRILLIC, 8)):
            self.peer.told.clear()
            outcome = await self.submit(self.message(text))
            submits = self.peer.pdus("submit_sm")
            assert isinstance(outcome, Accepted)
            self.assertEqual(outcome.segments, len(submits))
            self.assertEqual(len(set(outcome.provider_ids)), len(submits))
            self.assertEqual("".join(map(text_in, submits)), text)
            self.assertEqual({s["read"]["data_coding"] for s in submits}, {coding})
            check(submits)

    def _whole(self, submits: list[Seen], numbers: list[tuple[int, int]]) -> None:
        total = len(submits)
        self.assertGreater(total, 2)
        self.assertEqual(numbers, [(total, n + 1) for n in range(total)])

    async def test_udh(self) -> None:
        """An element 00 with an 8-bit reference in each segment, esm_class 0x40."""

        def check(submits: list[Seen]) -> None:
            headers = [bytes.fromhex(header_in(submit)) for submit in submits]
            self.assertEqual({h[:2] for h in headers}, {b"\x00\x03"})
            self.assertEqual(len({h[2] for h in headers}), 1)
            self._whole(submits, [(h[3], h[4]) for h in headers])
            self.assertEqual({s["read"]["esm_class"] for s in submits}, {0x40})

        await self._forms(Method.UDH, check)

    async def test_udh16(self) -> None:
        """An element 08 with a 16-bit reference in each segment."""

        def check(submits: list[Seen]) -> None:
            headers = [bytes.fromhex(header_in(submit)) for submit in submits]
            self.assertEqual({h[:2] for h in headers}, {b"\x08\x04"})
            self.assertEqual(len({h[2:4] for h in headers}), 1)
            self._whole(submits, [(h[4], h[5]) for h in headers])

        await self._forms(Method.UDH16, check)

    async def test_sar(self) -> None:
        """The three SAR TLVs in each segment, and no header."""
        names = ("sar_msg_ref_num", "sar_total_segments", "sar_segment_seqnum")

        def check(submits: list[Seen]) -> None:
            found = [tag_of(submit, *names) for submit in submits]
            self.assertEqual(len({reference for reference, _, _ in found}), 1)
            self._whole(submits, [(total, number) for _, total, number in found])
            self.assertEqual({s["read"]["esm_class"] for s in submits}, {0})

        await self._forms(Method.SAR, check)

    async def test_payload(self) -> None:
        """The whole text in message_payload, and an empty short_message."""

        def check(submits: list[Seen]) -> None:
            (submit,) = submits
            self.assertEqual(submit["read"]["short_message"]["message"], "")
            self.assertEqual(submit["read"]["esm_class"], 0)

        await self._forms(Method.PAYLOAD, check)


class SubmitTests(NodeCase):
    async def test_fields_of_a_submit(self) -> None:
        """Addresses, options and TLVs as node-smpp reads them."""
        await self.node()
        await self.bound(
            receipts=Receipts.ALL,
            validity_period=Validity.TTL,
            service_type="VMA",
            protocol_id=0x41,
            priority_flag=2,
            vendor_tlvs={"0x1403": b"250"},
            tlvs=Tlvs.YES,
        )
        await self.submit(self.message("§1 ¿qué?", charset=Charset.LATIN1))
        (submit,) = self.peer.pdus("submit_sm")
        expected = {
            "service_type": "VMA",
            "source_addr_ton": 5,
            "source_addr_npi": 0,
            "source_addr": "GdeMoi",
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": "79161234567",
            "esm_class": 0,
            "protocol_id": 0x41,
            "priority_flag": 2,
            "registered_delivery": 0x11,
            "replace_if_present_flag": 0,
            "data_coding": 3,
            "sm_default_msg_id": 0,
            str(0x1403): {"hex": b"250".hex()},
        }
        self.assertEqual(submit["read"], {**submit["read"], **expected})
        self.assertEqual(text_in(submit), "§1 ¿qué?")
        # two hours, less what passed since: relative time, SMPP 3.4 §7.1.1
        self.assertIn(b"0000000".hex(), submit["hex"])
        self.assertIn(b"000R\0".hex(), submit["hex"])

    async def test_binary_with_a_header_of_its_own(self) -> None:
        """Octets arrive as they are, under the header that the platform gave."""
        await self.node()
        await self.bound()
        octets = bytes(range(100))
        message = self.message(
            None, binary=octets, udh=bytes.fromhex("06050423f423f4"), from_="3434"
        )
        await self.submit(message)
        (submit,) = self.peer.pdus("submit_sm")
        self.assertEqual(header_in(submit), "050423f423f4")
        self.assertTrue(submit["hex"].endswith(octets.hex()))
        self.assertEqual(submit["read"]["data_coding"], 4)

    async def test_answers_in_any_order_find_their_segments(self) -> None:
        """Ids are in the order of the segments, whatever came first."""
        await self.node()
        await self.bound(window=10)
        await self.peer.order("plan", command="submit_sm", how={"hold": True}, times=10)
        sent = self.submit(self.message(GSM))
        count = self.channel.prepare(self.message(GSM)).segments
        await self.peer.saw_pdu("submit_sm", count)
        await self.peer.order("release", reversed=True)
        outcome = await sent
        assert isinstance(outcome, Accepted)
        ids = tuple(str(1001 + n) for n in range(count))
        self.assertEqual(outcome.provider_ids, ids)

    async def test_the_window_is_kept(self) -> None:
        """With two unanswered, the third segment waits."""
        await self.node()
        await self.bound(window=2)
        await self.peer.order("plan", command="submit_sm", how={"hold": True}, times=2)
        sent = self.submit(self.message(GSM))
        await self.peer.saw_pdu("submit_sm", 2)
        # it answers us, so it has read all that we had sent
        await self.peer.order("request", command="enquire_link")
        await self.peer.saw_pdu("enquire_link_resp")
        self.assertEqual(len(self.peer.pdus("submit_sm")), 2)
        await self.peer.order("release")
        self.assertIsInstance(await sent, Accepted)

    async def test_a_throttled_segment_is_sent_again_alone(self) -> None:
        """What the SMSC has of a long message is not sent twice."""
        await self.node()
        await self.bound(window=1)
        await self.peer.order("plan", command="submit_sm", how={})
        await self.peer.order("plan", command="submit_sm", how={"status": THROTTLED})
        message = self.message(CYRILLIC)
        prepared: Prepared = self.channel.prepare(message)
        refused = await self.send(prepared, 1)
        assert isinstance(refused, Refused)
        self.assertTrue(refused.throttled)
        self.assertEqual(refused.error.code, "smpp:0x58")
        outcome = await self.send(prepared, 2)
        assert isinstance(outcome, Accepted)
        taken = [
            bytes.fromhex(header_in(submit))[4]
            for submit in self.peer.pdus("submit_sm")
        ]
        rest = list(range(2, prepared.segments + 1))
        self.assertEqual(taken, [1, 2, *rest])
        self.assertEqual(len(set(outcome.provider_ids)), prepared.segments)

    async def test_a_status_that_nobody_knows_is_a_refusal(self) -> None:
        """A vendor's number is told as it came, and the bind stays."""
        await self.node()
        await self.bound()
        await self.peer.order("plan", command="submit_sm", how={"status": 0x4A1})
        refused = await self.submit(self.message())
        assert isinstance(refused, Refused)
        self.assertEqual(refused.error.code, "smpp:0x4A1")
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_query_sm_settles_what_was_unsure(self) -> None:
        """`ask` gets the state that the SMSC tells."""
        await self.node()
        await self.bound(query=True)
        await self.submit(self.message())
        receipt_ = await self.ask("1001")
        assert receipt_ is not None
        self.assertEqual((receipt_.provider_id, receipt_.state), ("1001", "delivered"))
        (query,) = self.peer.pdus("query_sm")
        self.assertEqual(query["read"]["message_id"], "1001")
        self.assertEqual(query["read"]["source_addr"], "GdeMoi")
        self.assertEqual(query["read"]["source_addr_ton"], 5)


def receipt(message_id: str, stat: str = "DELIVRD", err: str = "000") -> dict[str, Any]:
    """Return the order of a receipt in the words of SMPP 3.4 appendix B."""
    text = (
        f"id:{message_id} sub:001 dlvrd:001 submit date:2611210900"
        f" done date:2611210901 stat:{stat} err:{err} text:Hello"
    )
    return {
        "fields": {
            "source_addr": "79161234567",
            "destination_addr": "GdeMoi",
            "esm_class": 4,
        },
        "text": text,
    }


class ReceiptTests(NodeCase):
    async def test_a_receipt_in_text(self) -> None:
        """Read, matched, and answered with status 0 and an empty message_id."""
        await self.node()
        await self.bound(window=10)
        await self.submit(self.message())
        self.upstairs.learn("m1", "1001")
        await self.peer.order("deliver", **receipt("1001", "UNDELIV", "034"))
        answer = await self.peer.saw_pdu("deliver_sm_resp")
        self.assertEqual((answer["status"], answer["hex"][32:]), (0, "00"))
        sent = await self.peer.saw("sent", command="deliver_sm")
        self.assertEqual(answer["sequence"], sent["sequence"])
        (got,) = self.upstairs.receipts
        self.assertEqual((got.provider_id, got.state), ("1001", State.UNDELIVERED))
        assert got.error is not None
        self.assertEqual(got.error.code, "receipt:034")
        self.assertEqual(got.about, "79161234567")

    async def test_a_receipt_in_tlvs_alone(self) -> None:
        """receipted_message_id and message_state say all; also in a data_sm."""
        await self.node()
        await self.bound()
        fields = {
            "source_addr": "79161234567",
            "destination_addr": "GdeMoi",
            "esm_class": 4,
            "receipted_message_id": "1001",
            "message_state": 3,
        }
        await self.peer.order(
            "deliver", fields={**fields, "short_message": {"hex": ""}}
        )
        await self.peer.order("deliver", command="data_sm", fields=fields)
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp"))["status"], 0)
        self.assertEqual((await self.peer.saw_pdu("data_sm_resp"))["status"], 0)
        self.assertEqual(
            [(one.provider_id, one.state) for one in self.upstairs.receipts],
            [("1001", State.EXPIRED)] * 2,
        )

    async def test_hexadecimal_here_and_decimal_there(self) -> None:
        """Each receipt of twelve finds its message; the form is learned."""
        await self.node(ids=16)
        await self.bound()
        for n in range(12):
            outcome = await self.submit(self.message(id=f"m{n}"))
            assert isinstance(outcome, Accepted)
            self.upstairs.learn(f"m{n}", *outcome.provider_ids)
            await self.peer.order("deliver", **receipt(str(1001 + n)))
        await self.peer.saw_pdu("deliver_sm_resp", 12)
        self.assertEqual(
            [match and match.message_id for match in self.upstairs.matches],
            [f"m{n}" for n in range(12)],
        )
        self.assertEqual(self.channel.describe()["receipt_id"]["form"], "hex-dec")

    async def test_a_receipt_before_the_answer(self) -> None:
        """It goes up although nobody knows its id yet; both are taken."""
        await self.node()
        await self.bound()
        await self.peer.order(
            "plan", command="submit_sm", how={"early": receipt("1001", "ENROUTE")}
        )
        outcome = await self.submit(self.message())
        self.assertEqual(outcome, Accepted(provider_ids=("1001",)))
        (got,) = self.upstairs.receipts
        self.assertEqual((got.provider_id, got.state), ("1001", State.ENROUTE))

    async def test_what_cannot_be_written_down_is_to_come_again(self) -> None:
        """ESME_RX_T_APPN while the journal is broken, ROK when it is mended."""
        await self.node()
        await self.bound()
        self.upstairs.broken = True
        await self.peer.order("deliver", **receipt("1001"))
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp"))["status"], 0x64)
        self.upstairs.broken = False
        await self.peer.order("deliver", **receipt("1001"))
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp", 2))["status"], 0)


class ArrivalTests(NodeCase):
    PHONE = {"source_addr": "79161234567", "destination_addr": "3434"}  # noqa: RUF012

    async def test_short_ones_in_three_alphabets(self) -> None:
        """What node-smpp encodes is what goes up."""
        await self.node()
        await self.bound()
        words = (("@ £ {ok}€ ", 0), ("¿Dónde está?", 3), ("  где я? 😀 ", 8))
        for text, coding in words:
            await self.peer.order(
                "deliver", fields={**self.PHONE, "data_coding": coding}, text=text
            )
        await self.peer.saw_pdu("deliver_sm_resp", 3)
        arrived = self.upstairs.inbounds
        self.assertEqual([one.text for one in arrived], [text for text, _ in words])
        self.assertEqual(
            {(one.from_, one.to) for one in arrived}, {("+79161234567", "3434")}
        )

    async def test_a_long_one_with_headers(self) -> None:
        """Three segments go up with their place; each is answered."""
        await self.node()
        await self.bound()
        words = ("Первая часть, ", "вторая часть 😀, ", "и конец")
        fields = {**self.PHONE, "data_coding": 8}
        # as networks do: not in order
        for number in (3, 1, 2):
            await self.peer.order(
                "deliver",
                fields=fields,
                text=words[number - 1],
                udh=bytes((5, 0, 3, 0x2A, 3, number)).hex(),
            )
        await self.peer.saw_pdu("deliver_sm_resp", 3)
        parts = {
            one.part.number: (one.text, one.part.total)
            for one in self.upstairs.inbounds
            if one.part is not None
        }
        self.assertEqual(parts, {n + 1: (words[n], 3) for n in range(3)})
        references = {one.part and one.part.reference for one in self.upstairs.inbounds}
        self.assertEqual(len(references), 1)

    async def test_a_long_one_with_sar(self) -> None:
        """The SAR TLVs say the place just as well."""
        await self.node()
        await self.bound()
        for number, text in enumerate(("one, ", "two"), 1):
            sar = {
                "sar_msg_ref_num": 77,
                "sar_total_segments": 2,
                "sar_segment_seqnum": number,
            }
            await self.peer.order("deliver", fields={**self.PHONE, **sar}, text=text)
        first, second = await self.inbounds(2)
        assert first.part is not None and second.part is not None
        self.assertEqual(first.part.reference, second.part.reference)
        self.assertEqual(
            [(p.part.number, p.text) for p in (first, second)],
            [(1, "one, "), (2, "two")],
        )

    async def test_a_long_one_in_a_payload(self) -> None:
        """message_payload in deliver_sm and in data_sm is the text."""
        await self.node()
        await self.bound()
        octets = {"hex": CYRILLIC.encode("utf-16-be").hex()}
        fields = {**self.PHONE, "data_coding": 8, "message_payload": octets}
        await self.peer.order(
            "deliver", fields={**fields, "short_message": {"hex": ""}}
        )
        await self.peer.order("deliver", command="data_sm", fields=fields)
        await self.peer.saw_pdu("deliver_sm_resp")
        await self.peer.saw_pdu("data_sm_resp")
        self.assertEqual([one.text for one in self.upstairs.inbounds], [CYRILLIC] * 2)

    async def test_the_answer_waits_for_the_commit(self) -> None:
        """An enquire_link sent after it is answered before it."""
        await self.node()
        await self.bound()
        self.upstairs.commits = []
        await self.peer.order("deliver", fields=self.PHONE, text="Hi")
        await self.peer.order("request", command="enquire_link")
        await self.peer.saw_pdu("enquire_link_resp")
        await self.inbounds()
        self.assertEqual(self.peer.pdus("deliver_sm_resp"), [])
        self.upstairs.commits[0].callback(None)
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp"))["status"], 0)


class LinkTests(NodeCase):
    async def test_enquire_link_both_ways(self) -> None:
        """Theirs gets its number back; ours comes when they are silent."""
        await self.node()
        await self.bound(enquire_link_s=0.1)
        await self.peer.order("request", command="enquire_link")
        answer = await self.peer.saw_pdu("enquire_link_resp")
        sent = await self.peer.saw("sent", command="enquire_link")
        self.assertEqual(answer["sequence"], sent["sequence"])
        await self.peer.saw_pdu("enquire_link", 3)
        self.assertIsNone(self.channel.unable())
        self.assertEqual(len(self.upstairs.changes), 1)

    async def test_a_dead_link_is_left(self) -> None:
        """No answer to enquire_link within link_timeout: down, and bound again."""
        await self.node()
        await self.peer.order(
            "plan", command="enquire_link", how={"silent": True}, times=1
        )
        await self.bound(
            enquire_link_s=0.1,
            link_timeout_s=0.3,
            connect_timeout_s=10.0,
            bind_timeout_s=10.0,
        )
        await self.peer.saw("closed", session=1)
        await self.up(2)
        state, reason = self.upstairs.changes[1]
        self.assertEqual(state, "down")
        self.assertIn("nothing heard", reason)

    async def test_their_unbind(self) -> None:
        """unbind_resp at once; what is unanswered may still be; then bound again."""
        await self.node()
        await self.bound()
        await self.peer.order("plan", command="submit_sm", how={"hold": True})
        sent = self.submit(self.message())
        await self.peer.saw_pdu("submit_sm")
        await self.peer.order("request", command="unbind")
        await self.peer.order("release")
        self.assertIsInstance(await sent, Accepted)
        await self.peer.saw_pdu("unbind_resp")
        await self.up(2)
        self.assertEqual(len(self.peer.pdus("submit_sm")), 1)
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_our_stop(self) -> None:
        """The last answer is awaited; unbind, its answer, and the end."""
        await self.node()
        await self.bound()
        await self.peer.order("plan", command="submit_sm", how={"hold": True})
        sent = self.submit(self.message())
        await self.peer.saw_pdu("submit_sm")
        stopped = self.channel.stop(10.0)
        self.assertEqual(self.channel.unable(), "stopping")
        await self.peer.order("release")
        await stopped
        self.assertIsInstance(await sent, Accepted)
        await self.peer.saw("closed")
        self.assertEqual(
            [pdu["command"] for pdu in self.peer.pdus()],
            ["bind_transceiver", "submit_sm", "unbind"],
        )

    async def test_our_stop_owes_no_answer(self) -> None:
        """What came before our unbind is written down and answered first."""
        await self.node()
        await self.bound()
        self.upstairs.commits = []
        await self.peer.order("deliver", **receipt("1001"))
        await self.receipts()
        stopped = self.channel.stop(10.0)
        await self.peer.order("request", command="enquire_link")
        await self.peer.saw_pdu("enquire_link_resp")
        self.upstairs.commits[0].callback(None)
        await stopped
        await self.peer.saw("closed")
        self.assertEqual(
            [pdu["command"] for pdu in self.peer.pdus()][1:],
            ["enquire_link_resp", "deliver_sm_resp", "unbind"],
        )

    async def test_their_unbind_leaves_no_answer_owed(self) -> None:
        """What they sent before their unbind is answered before we close."""
        await self.node()
        await self.bound()
        self.upstairs.commits = []
        await self.peer.order("deliver", **receipt("1001"))
        await self.receipts()
        await self.peer.order("request", command="unbind")
        await self.peer.saw_pdu("unbind_resp")
        self.upstairs.commits[0].callback(None)
        await self.peer.saw("closed", session=1)
        self.assertEqual(len(self.peer.pdus("deliver_sm_resp")), 1)
        await self.up(2)

    async def test_a_connection_that_breaks(self) -> None:
        """FIN and RST: the unanswered is unsure and not repeated; bound again."""
        await self.node()
        await self.bound()
        for session, how in ((1, "end"), (2, "reset")):
            await self.peer.order("plan", command="submit_sm", how={"silent": True})
            sent = self.submit(self.message())
            await self.peer.saw_pdu("submit_sm", session=session)
            await self.peer.order(how)
            self.assertIsInstance(await sent, Unsure)
            await self.up(session + 1)
        self.assertEqual(len(self.peer.pdus("submit_sm")), 2)
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_nobody_listens_for_a_while(self) -> None:
        """What cannot leave is refused as such; when they are back, so are we."""
        await self.node()
        await self.bound()
        await self.peer.order("deaf")
        await self.peer.order("end")
        await self.peer.saw("closed")
        await self.upstairs.watch.until(self.channel.unable, "down")
        refused = await self.submit(self.message())
        assert isinstance(refused, Refused)
        self.assertEqual(refused.scope, Scope.CHANNEL_FOR_A_WHILE)
        await self.peer.order("hear")
        await self.up(2)
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_garbage_is_nacked_and_left(self) -> None:
        """A command_length that cannot be: generic_nack, close, and again."""
        await self.node()
        await self.bound()
        await self.peer.order("raw", hex="0000000400000015")
        nack = await self.peer.saw_pdu("generic_nack")
        self.assertEqual(nack["status"], 2)
        await self.up(2)

    async def test_numbers_grow_by_one_over_all_requests(self) -> None:
        """bind, submits, enquire_link, query, unbind: 1, 2, 3, …"""
        await self.node()
        await self.bound(enquire_link_s=0.1, query=True)
        await self.submit(self.message(GSM))
        await self.peer.saw_pdu("enquire_link", 2)
        await self.ask("1001")
        await self.channel.stop(1.0)
        await self.peer.saw_pdu("unbind")
        numbers = [pdu["sequence"] for pdu in self.peer.pdus()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
