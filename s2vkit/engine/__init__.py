"""Running a recipe: the stages as a cached graph, the one training loop, inference."""
