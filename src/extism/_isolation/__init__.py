"""A plugin in a process of its own: the worker, the parent's side of it, and what passes between them."""
