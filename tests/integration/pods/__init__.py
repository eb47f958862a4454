"""What runs the pods of the integration tests for real: a private network, a node, images, names, certificates."""
