"""Are spikes found, soon, and no others? On labelled streams, and in the Higgs record."""
