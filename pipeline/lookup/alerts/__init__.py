"""The alerter: from scores, spikes and ticks to what subscribers and rules want to be told."""
