"""A package that plugs one of everything into tailrank."""
