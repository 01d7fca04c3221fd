"""The contracts of the components, one per file, and the batch that flows between them."""
