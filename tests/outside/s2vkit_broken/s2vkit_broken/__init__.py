"""A plugin that cannot even be imported."""

raise RuntimeError("the broken plugin is broken")
