"""What is done beside the training step: averages, validation, the log, early warnings."""
