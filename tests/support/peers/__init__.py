"""Small servers that speak the networks' protocols over real sockets, with faults."""
