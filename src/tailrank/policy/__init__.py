"""What the business wants after the score: pure steps, applied to scored candidates one by one."""
