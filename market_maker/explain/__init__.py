"""`market_maker explain`: why an order was there, what filled it, and what came after.

`find` looks a fill up, `evidence` gathers what was recorded around it, `story` judges it (pure), `render` shows
it.
"""
