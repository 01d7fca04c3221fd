"""Pictures of a run: held-out clips, grids of speakers and emotions, samples during training."""
