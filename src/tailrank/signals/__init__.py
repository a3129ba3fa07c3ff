"""One file a signal: anything that scores candidates for a history."""
