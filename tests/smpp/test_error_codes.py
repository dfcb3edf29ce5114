import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import MessageState
from gdemoi.smpp.error_codes import NO_TABLE, load_table, read_table

DELIVERED = {11, 13, 14, 70, 106}
WAITING = {0, 1, 2, 10, 12, 31, 120, 121, 122, 134, 135}
# the rows of the manual's table: code, description, meaning
MANUAL = json.loads(
    (Path(__file__).parent / "vectors" / "mensatek_manual.json").read_text("utf-8")
)
# what the manual's own words make of a code, the first that is found
WORDS = (
    ("se retiene", MessageState.ENROUTE),
    ("reintentando la entrega", MessageState.ENROUTE),
    ("Reintentando", MessageState.ENROUTE),
    ("Esperando entrega", MessageState.ENROUTE),
    ("Programado", MessageState.ENROUTE),
    ("Entregado", MessageState.DELIVERED),
    ("ha expirado", MessageState.EXPIRED),
    ("Cancelado", MessageState.REJECTED),
    ("Lista Negra", MessageState.REJECTED),
    ("Bloqueado", MessageState.REJECTED),
    ("no es correcto", MessageState.REJECTED),
    ("Rechazado", MessageState.REJECTED),
)


class MensatekTests(SynchronousTestCase):
    def test_all_codes_of_the_manual(self) -> None:
        """48 codes, each in three languages; which mean delivered and which wait."""
        table = load_table("mensatek")
        self.assertEqual(len(table.codes), 48)
        for code, meaning in table.codes.items():
            self.assertEqual(set(meaning.text), {"es", "en", "ru"}, code)
            self.assertTrue(meaning.es_meaning, code)
            wanted = (
                MessageState.DELIVERED
                if int(code) in DELIVERED
                else MessageState.ENROUTE
                if int(code) in WAITING
                else None
            )
            if wanted is None:
                self.assertTrue(meaning.final, code)
                self.assertIsNot(meaning.state, MessageState.DELIVERED, code)
            else:
                self.assertIs(meaning.state, wanted, code)

    def test_the_table_is_the_manuals(self) -> None:
        """Each row says what the manual's row says."""
        table = load_table("mensatek")
        self.assertEqual([row["code"] for row in MANUAL], list(table.codes))
        for row in MANUAL:
            meaning = table.codes[row["code"]]
            self.assertEqual(meaning.text["es"], row["description"])
            self.assertEqual(meaning.es_meaning, row["meaning"])
            said = f"{row['description']} {row['meaning']}"
            state = next((s for w, s in WORDS if w in said), MessageState.UNDELIVERED)
            self.assertIs(meaning.state, state, row["code"])

    def test_what_the_carrier_keeps_or_calls_fatal_is_not_sent_again(self) -> None:
        """Held, retried and fatal codes are not retryable."""
        table = load_table("mensatek")
        for row in MANUAL:
            meaning = table.codes[row["code"]]
            fatal = row["description"] == "Error Fatal"
            if fatal or not meaning.final or meaning.state is MessageState.DELIVERED:
                self.assertFalse(meaning.retryable, row["code"])

    def test_codes_come_with_zeros(self) -> None:
        """`053` is 53, and tells its meaning in the language asked for."""
        table = load_table("mensatek")
        error = table.error("053", "es")
        self.assertEqual(error.code, "mensatek:53")
        self.assertIn("El mensaje ha expirado", error.text)
        self.assertEqual(
            table.error("104", "en").text, "The phone number is not correct"
        )
        self.assertIn("неверен", table.error("104", "ru").text)

    def test_codes_outside_the_table_are_data(self) -> None:
        """An unknown code is told as it came."""
        self.assertEqual(load_table("mensatek").error("999").code, "mensatek:999")
        self.assertEqual(NO_TABLE.error("21b").code, "receipt:21b")


class OperatorTableTests(SynchronousTestCase):
    def test_a_table_by_its_path(self) -> None:
        """An operator's file is named by its path."""
        path = Path(self.mktemp()).absolute()
        path.write_text('[codes.7]\nstate = "rejected"\nen = "no"\n', "utf-8")
        path = path.rename(path.with_name("acme.toml"))
        self.assertEqual(load_table(str(path)).error("7").code, "acme:7")

    def test_what_is_wrong_is_said(self) -> None:
        """No table, no file, no TOML, a wrong state: each with its reason."""
        with self.assertRaisesRegex(ValueError, "mensatek"):
            load_table("mensatec")
        with self.assertRaisesRegex(ValueError, "cannot read"):
            load_table("/nowhere/acme.toml")
        for content, why in (
            ({}, "codes"),
            ({"codes": {"1": {"state": "lost"}}}, "code 1: state"),
            ({"name": "a b", "codes": {"1": {}}}, "one word"),
            ({"codes": {"1": {"state": "expired", "retry": 1}}}, "unknown retry"),
            ({"codes": {"1": {"state": "expired", "retryable": 1}}}, "retryable"),
            ({"codes": {"1": {"state": "expired", "en": 5}}}, "strings"),
            ({"codes": {"1": 5}}, "section"),
        ):
            with self.assertRaisesRegex(ValueError, why):
                read_table(content, "acme")
