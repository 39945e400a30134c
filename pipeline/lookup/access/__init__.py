"""Who may do what, and how often: keys, tokens, scopes, limits, and what every answer's headers say."""
