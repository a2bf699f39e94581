"""What pages say about alerts: the open ones, a list with filters, and the story of one alert."""
