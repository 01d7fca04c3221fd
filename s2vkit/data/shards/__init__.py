"""Clips in tar files, as WebDataset reads them, and reading them at random."""
