"""Feedback: what was shown, what became of it, and what is learned from that."""
