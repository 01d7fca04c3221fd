"""Runs beside each other: measured anew, Table 1, Figures 3 and 4, the study."""
