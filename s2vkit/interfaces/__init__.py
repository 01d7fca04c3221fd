"""The contracts of the parts, one a file, and the batch that flows between them."""
