"""Exports of other rankers and recommenders, turned into data folders (docs/importing.md)."""
