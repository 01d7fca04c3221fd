"""A trained model in use: its bundle, and the pipeline from speech to frames."""
