"""Turns of a user about a list: what they mean, and what they change in the next ranking."""
