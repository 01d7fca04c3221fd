"""The one training loop, the batches it is given, what it keeps and what it watches."""
