"""The pen, the places and the four subjects of the drawn sample, see `pipelines/sample.py`."""
