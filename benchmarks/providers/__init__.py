"""What a provider's token costs this process."""
