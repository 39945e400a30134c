"""Klout's API, versions 1 and 2: programs written for it before 2018 work with nothing changed but the host."""
