"""The sequence model: a causal transformer over what a person did, in order."""
