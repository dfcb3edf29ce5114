"""What is known of trackers: their commands and answers, as data.

A profile is one TOML file of this folder, or of the operator's (`format`).  Modules:
`patterns` (compiled, and proved to end), `profile` (what a command says, what is
secret), `findings` (what is odd about a command), `answers` (which command a text
answers), `proofs` (a profile's own examples, tried), `library` (all of them together).

A profile never alters a command.  The facts are in our own words and graded: A, the
maker's document was read; B, another's code or guide; C, often said, no document read.
"""
