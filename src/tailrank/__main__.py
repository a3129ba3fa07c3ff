"""`python -m tailrank` is `tailrank`, also where the command isn't on the path."""

from tailrank.cli.main import main

main()
