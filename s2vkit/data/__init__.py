"""The prepared corpus on disk: written once, read at random."""
