"""A trained model at work: hearing, drawing frames, and the pictures of a run."""
