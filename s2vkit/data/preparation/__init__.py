"""Preparing a corpus: sources extracted, checked, stored and reported."""
