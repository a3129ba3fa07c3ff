"""Fusion of the signals, and the `Reranker` that fits, ranks, explains, saves and loads."""
