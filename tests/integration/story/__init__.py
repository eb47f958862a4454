"""An environment on AWS from its first `up` to its last `destroy`: the program of the repository through the real
engine and the real providers, on an emulated AWS and a real Kubernetes API server.

The tests are one story: each begins where the one before it ended, and none runs after one that failed. Its chapters
are parts (parts.py): each needs the first `up` and no other, and leaves the shop as it was.
"""
