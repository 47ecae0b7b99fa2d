"""What is generated for the chart, from `schema/` and from the code that the chart must agree with.

`python -m tools.chart` writes it all, `python -m tools.chart --check` says what is stale.
"""
