"""Finished runs side by side: Table 1, its intervals and differences. No torch."""
