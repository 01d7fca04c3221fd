"""The report of a run: pictures, curves, clips, tables."""
