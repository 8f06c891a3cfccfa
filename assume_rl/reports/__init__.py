"""Reports: what a run or a study found, as one HTML file or as pictures."""
