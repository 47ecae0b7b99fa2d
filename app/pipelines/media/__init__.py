"""Audio from a video page or a media file: downloaded, converted to MP3, tagged."""
