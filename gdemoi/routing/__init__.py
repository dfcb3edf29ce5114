"""Which way a message goes, when it goes, and what is done when it does not."""
