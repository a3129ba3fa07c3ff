"""The sequence model: a causal transformer over what a user did, in order."""
