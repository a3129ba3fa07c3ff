"""The opinion monitor: a stream of dated texts, series of what they say, and alerts if one surges."""
