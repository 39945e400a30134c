"""YouTube's Data API: asked now and then, for it pushes nothing but new videos."""
