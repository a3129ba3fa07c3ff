"""What users did lately and which items changed, kept so that the next request knows it."""
