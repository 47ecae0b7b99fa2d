"""Office Open XML: workbooks and word documents, and the packages that hold their parts."""
