"""Text as it goes on the air: alphabets, segments, the nearest letters.

Pure functions and values; no protocol, no clock.  `gsm7` is the alphabet,
`charset` chooses among alphabets, `segments` cuts and joins, `transliterate`
finds the nearest letters.
"""
