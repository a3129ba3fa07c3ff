"""The measurements behind `tailrank bench`, a module each, and what runs and loads a server for them."""
