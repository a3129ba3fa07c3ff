"""Protocols, metrics, baselines, significance and the report."""
