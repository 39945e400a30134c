"""The score: pure, vectorised over rows, and free of I/O, clocks and frameworks."""
