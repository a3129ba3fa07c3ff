"""Re-rank candidates for one person, now: what items mean and what the person has just done."""
