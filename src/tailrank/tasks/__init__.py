"""Other tasks of the same encoder: labels of texts, with chances that can be trusted."""
