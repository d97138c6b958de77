"""Python functions as tools: how they look to a model, and how they are run."""
