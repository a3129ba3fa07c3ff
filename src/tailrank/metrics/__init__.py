"""Ranking metrics, what lists do to a catalogue, and intervals."""
