"""From item text to vectors: encoders, their weights, the vector store and whitening."""
