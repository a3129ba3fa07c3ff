"""Item texts, encoders, the store of their vectors, whitening."""
