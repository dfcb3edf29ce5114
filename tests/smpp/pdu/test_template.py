"""`SubmitTemplate` writes the same octets as `encode`, and refuses the same."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.smpp.pdu.pdus import SubmitSm, Tag, encode
from gdemoi.smpp.pdu.template import SubmitTemplate

octet = st.integers(0, 255)
_address = st.text(st.characters(max_codepoint=0x17F), max_size=24)
_time = st.sampled_from(
    [
        "",
        "000000010000000R",
        "261128120000000+",
        "tomorrow",
        "\0" * 16,
        "é" * 16,
        "\u0661" * 16,
    ]
)
_fixed = st.builds(
    SubmitSm,
    service_type=st.sampled_from(["", "CMT", "WAP"]),
    source_addr_ton=octet,
    source_addr_npi=octet,
    source_addr=st.text(
        st.characters(min_codepoint=32, max_codepoint=126), max_size=20
    ),
    protocol_id=octet,
    priority_flag=octet,
    schedule_delivery_time=st.sampled_from(["", "261128120000000+"]),
    registered_delivery=octet,
    replace_if_present_flag=octet,
    sm_default_msg_id=octet,
)
_open = st.fixed_dictionaries(
    {
        "destination_addr": _address,
        "data_coding": octet,
        "short_message": st.binary(max_size=258),
        "esm_class": octet,
        "validity_period": _time,
        "tlvs": st.sampled_from(
            [(), ((0x1400, b"\x01"),), ((Tag.message_payload, b"x"),)]
        ),
    }
)


class TemplateTests(SynchronousTestCase):
    """What may vary is spliced into octets that were encoded once."""

    @given(_fixed, octet, octet, _open)
    def test_same_octets_as_the_whole_pdu(self, fixed, ton, npi, open_):
        whole = msgspec.structs.replace(
            fixed, dest_addr_ton=ton, dest_addr_npi=npi, **open_
        )
        template = SubmitTemplate(fixed)
        try:
            expected = encode(whole)
        except OurFault as fault:
            with self.assertRaises(OurFault) as raised:
                template.encode(ton, npi, **open_)
            self.assertEqual(str(raised.exception), str(fault))
        else:
            self.assertEqual(template.encode(ton, npi, **open_), expected)

    def test_what_the_template_itself_cannot_hold(self):
        with self.assertRaises(OurFault):
            SubmitTemplate(SubmitSm(source_addr="1" * 21))

    def test_receipts_asked_for(self):
        template = SubmitTemplate(SubmitSm(registered_delivery=0x11))
        self.assertEqual(template.registered_delivery, 0x11)
