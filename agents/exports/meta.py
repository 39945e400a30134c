"""What Meta's exports, of Facebook and of Instagram, have in common."""


def mended(text: str) -> str:
    """
    Return a text of such an export as it was written.

    Meta encodes text as UTF-8 and then each byte as a character of its own: Café is "Caf\u00c3\u00a9" there.
    """
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
