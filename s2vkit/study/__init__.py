"""A preference study: the page for raters, their votes, and the analysis."""
