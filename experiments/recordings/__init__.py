"""What was composed, small enough to send: WAV to MP3, Ogg Vorbis or FLAC."""
