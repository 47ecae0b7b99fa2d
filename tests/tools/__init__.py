"""Programs that tests need and no package of ours depends on. Standard library only."""
