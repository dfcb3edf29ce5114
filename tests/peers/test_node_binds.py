"""Our ESME binds at an SMSC upon npm `smpp` (node-smpp), over loopback."""

from __future__ import annotations

from gdemoi.message import Accepted
from gdemoi.net.reconnector import ReconnectorState
from gdemoi.smpp.settings import BindAs
from gdemoi.text.segments import Method
from tests.peers.case import NodeCase
from tests.peers.certificates import self_signed
from tests.peers.node_words import (
    GSM,
    receipt,
    tag_of,
    text_in,
)


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
        self.recorder.learn("m1", "1001")
        await self.peer.order("deliver", **receipt("1001"))
        answer = await self.peer.saw_pdu("deliver_sm_resp")
        self.assertEqual(answer["session"], kinds["bind_receiver"])
        (match,) = self.recorder.matches
        assert match is not None
        self.assertEqual(match.message_id, "m1")

    async def test_a_wrong_password_is_not_tried_again_soon(self) -> None:
        """One bind, a reason that names the status, a pause of credential_retry."""
        await self.node(password="other")
        channel = self.connect(credential_retry_s=300.0)
        (link,) = channel.links
        await self.recorder.watch.until(
            lambda: link.reconnector.state is ReconnectorState.REFUSED, "a refusal"
        )
        await self.peer.catch_up()
        self.assertIn("ESME_RINVPASWD", channel.unable() or "")
        assert link.reconnector.next_try_at is not None
        now = self.channel._clock.seconds()
        self.assertGreater(link.reconnector.next_try_at - now, 250)
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
        port = self.channel.outbind.port.port.getHost().port
        await self.peer.order("outbind", port=port, password="wrong")
        await self.peer.saw("closed", session=2)
        await self.peer.order("outbind", port=port, password="knock")
        bind = await self.peer.saw_pdu("bind_receiver")
        self.assertEqual((bind["session"], bind["read"]["password"]), (3, "secret"))
        await self.peer.order("deliver", text="Hi", fields={"source_addr": "7916"})
        answer = await self.peer.saw_pdu("deliver_sm_resp")
        self.assertEqual((answer["session"], answer["status"]), (3, 0))
        self.assertEqual(self.recorder.inbounds[0].text, "Hi")
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
        await self.recorder.watch.until(
            lambda: link.reconnector.failures > 1, "failures"
        )
        await self.peer.catch_up()
        self.assertEqual(self.peer.pdus(), [])
        self.assertIsNotNone(channel.unable())
