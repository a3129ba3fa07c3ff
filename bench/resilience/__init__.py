"""What a server or its state does when things go wrong; `python -m bench resilience`."""
