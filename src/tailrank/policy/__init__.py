"""What the business wants after the score: pure functions of scored candidates."""
