"""Speech before any network: its level, where there is voice in it, and how recordings vary."""
