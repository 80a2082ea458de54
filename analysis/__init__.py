"""From recorded data to numbers with intervals, and from those to a verdict. Reads files, trades nothing.

`store` opens a data folder with DuckDB; `orders` makes one row of every market order with the mids before and
after; `gate1` … `gate5` ask the five questions of a live start; `tables` is what each of them answers with, for
terminal, JSON and HTML alike.
"""
