"""The SMPP door, from the side of its clients."""
