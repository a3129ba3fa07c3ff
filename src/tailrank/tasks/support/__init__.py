"""The support desk: known questions with their answers, matched to what a customer asks."""
