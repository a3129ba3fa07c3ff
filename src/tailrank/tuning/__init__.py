"""Fine-tuning an encoder on behaviour."""
