"""The technician's console: one page, its socket, past sessions and their playback."""
