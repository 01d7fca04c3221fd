"""Recipes: plain YAML, checked whole before anything is built. No torch here."""
