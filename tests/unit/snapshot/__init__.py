"""Tests of pipeline.snapshot without processes."""
