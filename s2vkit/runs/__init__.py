"""What a run keeps and takes up again: its folder, the caches, which stages still stand."""
