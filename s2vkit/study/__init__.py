"""A study of what people prefer: the page that asks them, their votes, and what these say."""
