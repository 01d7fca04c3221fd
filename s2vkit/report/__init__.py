"""What a run shows of itself: pictures, curves, clips, tables."""
