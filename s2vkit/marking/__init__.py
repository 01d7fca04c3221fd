"""Marking what a model made: a watermark in the pictures, a signature in the file, and reading both."""
