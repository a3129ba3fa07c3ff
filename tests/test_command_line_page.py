"""The page of the command line is what the commands say of themselves."""

from docs.command_line import PAGE, page


def test_the_page_of_the_command_line_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python docs/command_line.py"
