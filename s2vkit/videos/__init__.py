"""Evaluating videos of any generator: matched by name, aligned, cropped by one protocol and measured."""
