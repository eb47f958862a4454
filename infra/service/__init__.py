"""A service from its declaration: what it can declare (catalogue.py), and the fold over what that becomes."""
