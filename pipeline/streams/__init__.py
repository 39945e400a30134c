"""The Faust worker: record batches in, engagement state and scores out. The only package that imports Faust."""
