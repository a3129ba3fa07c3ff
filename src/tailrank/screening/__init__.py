"""Which texts of items a person should see before users do, and what people decided."""
