"""The words that travel through the gateway."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import FINAL, RANK, MessageState, provider_key


class StateTests(SynchronousTestCase):
    def test_final_states_are_the_last(self) -> None:
        """Every final state ranks above every other, and above none of its kind."""
        self.assertEqual(set(RANK), set(MessageState))
        self.assertEqual({RANK[state] for state in FINAL}, {max(RANK.values())})
        self.assertLess(
            max(RANK[state] for state in set(MessageState) - FINAL), max(RANK.values())
        )


class ProviderKeyTests(SynchronousTestCase):
    def test_case_and_leading_zeros_do_not_matter(self) -> None:
        """One id in the spellings that carriers use for it."""
        for spelling in ("00A1F", "a1f", "A1F", " a1f "):
            self.assertEqual(provider_key(spelling), "a1f")
        self.assertEqual(provider_key("0000"), "0")
        self.assertEqual(provider_key(""), "0")

    @given(st.text())
    def test_the_key_of_a_key_is_itself(self, text: str) -> None:
        """Stored forms are stable."""
        key = provider_key(text)
        self.assertEqual(provider_key(key), key)
