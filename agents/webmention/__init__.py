"""Webmention (w3.org/TR/webmention): other sites tell that they link to this one, and are asked whether it is true."""
