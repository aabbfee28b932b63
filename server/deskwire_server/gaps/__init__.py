"""Questions that the knowledge does not answer yet."""
