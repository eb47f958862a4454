"""A stack of the version before is updated, and nothing that holds data is replaced: its resources are found again.

python -m tests.upgrade 0.2.0       writes what the program of today makes, when it is released as this version
"""
