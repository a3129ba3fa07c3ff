"""What `tailrank bench` measures: a file a command, and what the commands that measure the server share."""
