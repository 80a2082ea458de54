"""The same answer for a terminal, for a program, and as a page to keep."""
