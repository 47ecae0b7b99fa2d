"""Speech recognition in a child process. Imports nothing of ours: the child stays small."""
