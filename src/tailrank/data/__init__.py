"""Data folders, `Dataset`, splits and public data sets."""
