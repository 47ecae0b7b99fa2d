"""Tests against real servers, databases, tools and workers on this machine."""
