"""The bounded memory forgets the oldest entries, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.kit.recent import Recent


class RecentTests(SynchronousTestCase):
    def test_the_oldest_goes(self) -> None:
        """One entry more than the limit pushes the oldest out."""
        kept: Recent[str, int] = Recent(2)
        for number, word in enumerate("abc"):
            kept[word] = number
        self.assertEqual(list(kept.items()), [("b", 1), ("c", 2)])

    def test_what_is_set_again_is_the_newest(self) -> None:
        """A key that is set again outlives those that were not."""
        kept: Recent[str, int] = Recent(2)
        kept["a"] = 1
        kept["b"] = 2
        kept["a"] = 3
        kept["c"] = 4
        self.assertEqual(dict(kept), {"a": 3, "c": 4})

    def test_what_was_taken_out_makes_room(self) -> None:
        """A key that was popped counts no more."""
        kept: Recent[str, int] = Recent(2)
        kept["a"] = 1
        kept["b"] = 2
        self.assertEqual(kept.pop("a", None), 1)
        kept["c"] = 3
        self.assertEqual(dict(kept), {"b": 2, "c": 3})
        self.assertIsNone(kept.pop("a", None))

    def test_setdefault_and_update_keep_to_the_limit(self) -> None:
        """No way in passes the limit by."""
        kept: Recent[int, int] = Recent(3)
        kept.update({number: number for number in range(5)})
        self.assertEqual(list(kept), [2, 3, 4])
        self.assertEqual(kept.setdefault(2, 9), 2)
        self.assertEqual(kept.setdefault(7, 7), 7)
        self.assertEqual(list(kept), [3, 4, 7])

    def test_old_ones_are_forgotten_from_the_front(self) -> None:
        """`forget` ends at the first that is not old, and may empty it."""
        kept: Recent[str, float] = Recent(10)
        kept["a"], kept["b"], kept["c"] = 1.0, 5.0, 2.0
        kept.forget(lambda at: at < 3.0)
        self.assertEqual(list(kept), ["b", "c"])
        kept.forget(lambda at: True)
        self.assertEqual(len(kept), 0)

    @given(st.integers(1, 5), st.lists(st.integers(0, 9), max_size=40))
    def test_the_last_different_keys_are_there(self, limit: int, keys: list) -> None:
        """Whatever is set: the `limit` keys that were set last, in that order."""
        kept: Recent[int, int] = Recent(limit)
        for key in keys:
            kept[key] = key
        newest_first = list(dict.fromkeys(reversed(keys)))
        self.assertEqual(list(kept), newest_first[:limit][::-1])
