from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.smpp.pdu.statuses import MEANINGS, VENDOR, Status, name_of


class StatusTests(SynchronousTestCase):
    def test_every_status_has_a_meaning(self) -> None:
        """The table of names and the table of meanings have the same numbers."""
        self.assertEqual(set(MEANINGS), set(Status))
        self.assertEqual(len(set(MEANINGS.values())), len(Status))

    def test_names(self) -> None:
        """By the specification; 5.0's too, since centres send them."""
        self.assertEqual(name_of(0), "ESME_ROK: no error")
        self.assertEqual(
            name_of(0x58), "ESME_RTHROTTLED: throttled: the rate allowed was exceeded"
        )
        self.assertEqual(name_of(0x0B), "ESME_RINVDSTADR: invalid destination address")
        self.assertEqual(name_of(0x104), "ESME_RINVDCS")

    def test_numbers_that_no_document_names(self) -> None:
        """Vendors' and reserved numbers are told by number."""
        self.assertEqual(name_of(0x400), "vendor's own command_status 0x00000400")
        self.assertEqual(name_of(0x35), "unknown command_status 0x00000035")
        self.assertEqual(name_of(0x7FFFFFFF), "unknown command_status 0x7FFFFFFF")

    @given(st.integers(0, 0xFFFFFFFF))
    def test_any_number_has_a_name(self, command_status: int) -> None:
        """Never raises; vendors' numbers are told apart."""
        name = name_of(command_status)
        self.assertEqual(name.startswith("vendor"), command_status in VENDOR)
